use std::fs;

use super::serving;
use crate::program::{Home, Running};

/// The node refuses this device.
const REFUSED: i32 = 3;

/// Makes a ticket at the running node, and stores it as `home` on a new device.
fn device(owner: &Home, options: &[&str]) -> Home {
    let device = Home::new();
    let made = owner.ok(&[&["ticket", "new"], options].concat());
    fs::write(device.path("ticket"), made.out).unwrap();
    device.ok(&["add", "ticket", "as", "home"]);
    device
}

fn player(device: &Home) -> Running {
    Running::start(&mut device.command(&["play", "home", "--output", "null"]))
}

#[test]
fn revocation_ends_the_player_of_that_ticket_alone() {
    let (owner, _node) = serving(60.0);
    let [phone, tablet] = ["phone", "tablet"].map(|label| device(&owner, &["--for", label]));
    let [mut phone, mut tablet] = [&phone, &tablet].map(player);
    for player in [&mut phone, &mut tablet] {
        player.line(|line| line.starts_with("playing 1"));
    }
    let listed = owner.ok(&["ticket", "list", "--json"]).out;
    assert!(listed.contains("\"phone\"") && !listed.contains("medianode1"), "{listed}");
    owner.ok(&["ticket", "revoke", "phone"]);
    let ended = phone.finish_with(REFUSED);
    assert!(ended.err.contains("revoked by the owner"), "{}", ended.err);
    owner.ok(&["ticket", "revoke", "tablet"]);
    tablet.finish_with(REFUSED);
}

#[test]
fn expiry_ends_a_player() {
    let (owner, _node) = serving(60.0);
    let phone = device(&owner, &["--for", "phone", "--expires", "5s"]);
    let ended = player(&phone).finish_with(REFUSED);
    assert!(ended.err.contains("expired"), "{}", ended.err);
}
