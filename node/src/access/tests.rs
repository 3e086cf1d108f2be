//! Tests of the book: tickets, identities, bounds, the file.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use media_protocol::{Route, Ticket};
use proptest::prelude::*;

use super::*;

/// 2026-12-15 12:00 (UTC).
const NOW: u64 = 1_797_336_000;

/// A clock that a test sets.
struct VirtualClock(AtomicU64);

impl Clock for VirtualClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

struct Rig {
    _folder: tempfile::TempDir,
    file: PathBuf,
    capability: PathBuf,
    clock: Arc<VirtualClock>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (file, capability) =
            (folder.path().join("new/access.json"), folder.path().join("key.capability"));
        Self { _folder: folder, file, capability, clock: Arc::new(VirtualClock(AtomicU64::new(NOW))) }
    }

    fn book(&self) -> AccessBook {
        self.try_book().unwrap()
    }

    fn try_book(&self) -> Result<AccessBook, AccessError> {
        AccessBook::open(&self.file, &self.capability, self.clock.clone())
    }

    fn set(&self, now: u64) {
        self.clock.0.store(now, Ordering::Relaxed);
    }
}

fn route() -> Route {
    Route { transport: "fastn".into(), peer: "peer".into(), addresses: vec![] }
}

fn new(label: &str) -> NewAccess {
    NewAccess {
        label: label.into(),
        listener: None,
        identity: None,
        rights: Rights::LISTENER,
        bounds: Bounds::default(),
        once: false,
    }
}

/// Makes a ticket and returns its token.
fn token(book: &AccessBook, new: NewAccess) -> String {
    match book.handle(AccessRequest::Create(new), &[route()]).unwrap() {
        AccessAnswer::Created { ticket: Some(ticket), .. } => ticket.parse::<Ticket>().unwrap().token(),
        other => panic!("{other:?}"),
    }
}

fn entries(book: &AccessBook) -> Vec<AccessEntry> {
    match book.handle(AccessRequest::List, &[]).unwrap() {
        AccessAnswer::Entries(entries) => entries,
        other => panic!("{other:?}"),
    }
}

fn revoke(book: &AccessBook, label: &str) -> Result<AccessAnswer, AccessError> {
    book.handle(AccessRequest::Revoke { label: label.into() }, &[])
}

fn refusal(book: &AccessBook, identity: &str, token: Option<&str>) -> AccessRefusal {
    book.admit(identity, token).unwrap_err()
}

#[test]
fn tickets_admit_until_they_are_revoked_and_outlast_a_restart() {
    let rig = Rig::new();
    let phone = token(&rig.book(), new("phone"));
    let book = rig.book();
    assert_eq!(book.admit("a", Some(&phone)).unwrap().grant.label(), "phone");
    assert_eq!(refusal(&book, "a", None), AccessRefusal::Unauthorized);
    assert_eq!(refusal(&book, "a", Some("other")), AccessRefusal::InvalidToken);
    let grant = book.admit("b", Some(&phone)).unwrap().grant;
    assert_eq!(grant.check(Right::Originals), Ok(()));
    assert_eq!(grant.check(Right::Edit), Err(AccessRefusal::NoRight(Right::Edit)));
    revoke(&book, "phone").unwrap();
    assert_eq!(grant.check(Right::Listen), Err(AccessRefusal::Revoked));
    assert_eq!(grant.charge(1), Err(AccessRefusal::Revoked));
    for book in [book, rig.book()] {
        assert_eq!(refusal(&book, "a", Some(&phone)), AccessRefusal::Revoked);
        assert!(matches!(revoke(&book, "phone"), Err(AccessError::Unknown { .. })));
    }
}

#[test]
fn a_new_ticket_with_the_label_of_a_revoked_one_does_not_revive_it() {
    let rig = Rig::new();
    let book = rig.book();
    let old = token(&book, new("phone"));
    let grant = book.admit("a", Some(&old)).unwrap().grant;
    revoke(&book, "phone").unwrap();
    let fresh = token(&book, new("phone"));
    assert_eq!(grant.check(Right::Listen), Err(AccessRefusal::Revoked));
    assert_eq!(refusal(&book, "a", Some(&old)), AccessRefusal::Revoked);
    assert!(book.admit("a", Some(&fresh)).is_ok());
}

#[test]
fn an_allowed_identity_needs_no_token() {
    let rig = Rig::new();
    let book = rig.book();
    let guest = NewAccess { identity: Some("guest-id".into()), ..new("guest") };
    let answer = book.handle(AccessRequest::Create(guest.clone()), &[route()]).unwrap();
    assert!(matches!(answer, AccessAnswer::Created { ticket: None, .. }));
    for token in [None, Some("any")] {
        assert_eq!(book.admit("guest-id", token).unwrap().grant.label(), "guest");
    }
    let again = book.handle(AccessRequest::Create(NewAccess { label: "other".into(), ..guest }), &[]);
    assert!(matches!(again, Err(AccessError::Allowed(label)) if label == "guest"));
    revoke(&book, "guest").unwrap();
    assert_eq!(refusal(&book, "guest-id", None), AccessRefusal::Revoked);
    assert_eq!(refusal(&book, "guest-id", Some("any")), AccessRefusal::Revoked);
}

#[test]
fn a_ticket_for_one_device_is_exchanged_once() {
    let rig = Rig::new();
    let book = rig.book();
    let ticket = token(&book, NewAccess { once: true, ..new("phone") });
    let first = book.admit("phone-id", Some(&ticket)).unwrap();
    let device = first.token.unwrap();
    assert_ne!(device, ticket);
    // The answer may have been lost: the same device gets the same token again.
    assert_eq!(book.admit("phone-id", Some(&ticket)).unwrap().token, Some(device.clone()));
    assert_eq!(refusal(&book, "thief", Some(&ticket)), AccessRefusal::AlreadyUsed);
    let book = rig.book();
    assert_eq!(refusal(&book, "thief", Some(&ticket)), AccessRefusal::AlreadyUsed);
    // The device has several identities, one for each of its programs.
    let other = book.admit("player-id", Some(&device)).unwrap();
    assert_eq!((other.grant.label(), other.token), ("phone", None));
    revoke(&book, "phone").unwrap();
    for token in [&ticket, &device] {
        assert_eq!(refusal(&book, "phone-id", Some(token)), AccessRefusal::Revoked);
    }
}

#[test]
fn the_token_of_a_device_cannot_be_computed_from_its_ticket() {
    let (one, two) = (Rig::new(), Rig::new());
    let ticket = token(&one.book(), NewAccess { once: true, ..new("phone") });
    let device = one.book().admit("id", Some(&ticket)).unwrap().token;
    // The same ticket in another book, which has another secret.
    let text = fs::read_to_string(&one.file).unwrap();
    let mut state: serde_json::Value = serde_json::from_str(&text).unwrap();
    let once = &mut state["records"][1]["once"];
    once["secret"] = "00".into();
    fs::create_dir_all(two.file.parent().unwrap()).unwrap();
    files_private(&two.file, &state.to_string());
    assert_ne!(two.book().admit("id", Some(&ticket)).unwrap().token, device);
}

#[test]
fn a_quota_ends_at_its_bound_and_starts_from_zero_in_the_next_month() {
    let rig = Rig::new();
    let book = rig.book();
    let quota = Some(Quota { bytes: 1000, period: QuotaPeriod::Month });
    let ticket = token(&book, NewAccess { bounds: Bounds { quota, ..Bounds::default() }, ..new("phone") });
    let grant = book.admit("a", Some(&ticket)).unwrap().grant;
    assert_eq!(grant.charge(900), Ok(()));
    let over = AccessRefusal::OverQuota(1_798_761_600);
    assert_eq!(over.to_string(), "over quota until 2027-01-01");
    assert_eq!(grant.charge(101), Err(over.clone()));
    assert_eq!(grant.check(Right::Listen), Ok(()));
    assert_eq!(grant.charge(100), Ok(()));
    assert_eq!(grant.check(Right::Listen), Err(over.clone()));
    book.flush().unwrap();
    let book = rig.book();
    assert_eq!(refusal(&book, "a", Some(&ticket)), over);
    let entry = &entries(&book)[1];
    assert_eq!((entry.bytes, entry.quota_bytes), (1000, Some(1000)));
    assert_eq!(entry.refusal.as_deref(), Some("over quota until 2027-01-01"));
    rig.set(1_798_761_599);
    assert_eq!(refusal(&book, "a", Some(&ticket)), over);
    rig.set(1_798_761_600);
    assert_eq!(grant.check(Right::Listen), Ok(()));
    let grant = book.admit("a", Some(&ticket)).unwrap().grant;
    assert_eq!(grant.charge(1000), Ok(()));
    assert_eq!((entries(&book)[1].bytes, entries(&book)[1].quota_bytes), (2000, Some(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_grant_ends_at_its_expiry_and_at_its_revocation() {
    let rig = Rig::new();
    let book = rig.book();
    let expires = Some(NOW + 100);
    let bounds = Bounds { expires, ..Bounds::default() };
    let phone = token(&book, NewAccess { bounds, ..new("phone") });
    let tablet = token(&book, new("tablet"));
    let grants = [&phone, &tablet].map(|token| book.admit("a", Some(token)).unwrap().grant);
    let [phone_end, tablet_end] = grants.map(|grant| tokio::spawn(async move { grant.ended().await }));
    token(&book, new("another"));
    tokio::time::sleep(Duration::from_secs(99)).await;
    assert!(!phone_end.is_finished() && !tablet_end.is_finished());
    rig.set(NOW + 100);
    // The virtual clock and the paused time are two clocks; the grant looks at its clock again within `RECHECK`.
    assert_eq!(phone_end.await.unwrap(), AccessRefusal::Expired(NOW + 100));
    assert_eq!(refusal(&book, "a", Some(&phone)), AccessRefusal::Expired(NOW + 100));
    let began = tokio::time::Instant::now();
    revoke(&book, "tablet").unwrap();
    assert_eq!(tablet_end.await.unwrap(), AccessRefusal::Revoked);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[test]
fn the_ticket_of_version_0_1_becomes_the_first() {
    let rig = Rig::new();
    let former = crate::identity::Secret::load_or_create(&rig.capability).unwrap();
    let ticket = Ticket { routes: vec![route()], capability: former.0 };
    let book = rig.book();
    assert!(!rig.capability.exists(), "the state is in one place");
    assert_eq!(book.first_ticket(&[route()]), Some(ticket.clone()));
    let grant = book.admit("a", Some(&ticket.token())).unwrap().grant;
    assert_eq!((grant.label(), grant.rights()), ("first", Rights::LISTENER));
    assert_eq!(rig.book().first_ticket(&[route()]), Some(ticket.clone()));
    revoke(&book, "first").unwrap();
    assert_eq!((book.first_ticket(&[]), rig.book().first_ticket(&[])), (None, None));
    assert_eq!(refusal(&rig.book(), "a", Some(&ticket.token())), AccessRefusal::Revoked);
}

#[test]
fn a_damaged_capability_of_version_0_1_is_reported_and_kept() {
    let rig = Rig::new();
    files_private(&rig.capability, "no key");
    let error = rig.try_book().err().unwrap().to_string();
    assert!(error.contains("version 0.1") && error.contains("key.capability"), "{error}");
    assert!(rig.capability.exists() && !rig.file.exists());
}

#[test]
fn the_file_holds_no_token_but_the_first() {
    let rig = Rig::new();
    let book = rig.book();
    let tokens = [token(&book, new("phone")), token(&book, NewAccess { once: true, ..new("tablet") })];
    let device = book.admit("a", Some(&tokens[1])).unwrap().token.unwrap();
    let text = fs::read_to_string(&rig.file).unwrap();
    for token in tokens.iter().chain([&device]) {
        assert!(!text.contains(token.as_str()));
    }
    let answer = book.handle(AccessRequest::Create(new("third")), &[route()]).unwrap();
    assert!(!format!("{answer:?}").contains("medianode1"));
}

#[test]
fn a_damaged_exposed_or_newer_file_is_one_clear_line_and_is_kept() {
    let rig = Rig::new();
    drop(rig.book());
    let valid = fs::read_to_string(&rig.file).unwrap();
    let unknown_bound = valid.replace("\"bounds\": {}", "\"bounds\": {\"hours\": 3}");
    assert_ne!(unknown_bound, valid);
    let newer = valid.replace("\"version\": 1", "\"version\": 2");
    for (text, word) in [
        ("", "EOF"),
        ("[]", "does not hold"),
        (&valid[..50], "EOF"),
        (&unknown_bound, "hours"),
        (&newer, "newer program"),
    ] {
        files_private(&rig.file, text);
        let error = rig.try_book().err().unwrap().to_string();
        assert!(
            error.contains(word) && error.contains("access.json") && error.lines().count() == 1,
            "{error}"
        );
        assert_eq!(fs::read_to_string(&rig.file).unwrap(), text);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        files_private(&rig.file, &valid);
        assert_eq!(fs::metadata(&rig.file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&rig.file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(rig.try_book(), Err(AccessError::Exposed(_))));
    }
}

#[test]
fn changes_and_use_of_two_processes_are_joined() {
    let rig = Rig::new();
    let (serving, command) = (rig.book(), rig.book());
    let phone = token(&serving, new("phone"));
    serving.admit("a", Some(&phone)).unwrap().grant.charge(500).unwrap();
    let tablet = token(&command, new("tablet"));
    serving.flush().unwrap();
    assert!(serving.admit("b", Some(&tablet)).is_ok());
    let entries = entries(&rig.book());
    let found: Vec<_> = entries.iter().map(|entry| (entry.label.as_str(), entry.bytes)).collect();
    assert_eq!(found, [("first", 0), ("phone", 500), ("tablet", 0)]);
    assert_eq!(entries[1].used_by, ["a"]);
}

#[test]
fn unusable_records_are_refused() {
    let rig = Rig::new();
    let book = rig.book();
    let bounds = |bounds| NewAccess { bounds, ..new("x") };
    let folder = |folder: &str| bounds(Bounds { folders: vec![folder.into()], ..Bounds::default() });
    let quota = Some(Quota { bytes: 0, period: QuotaPeriod::Day });
    for (wrong, word) in [
        (new(""), "label"),
        (new("a b"), "label"),
        (new("first"), "in use"),
        (NewAccess { listener: Some("/".into()), ..new("x") }, "label"),
        (NewAccess { identity: Some("a b".into()), ..new("x") }, "identity"),
        (folder(""), "folder"),
        (folder("/"), "folder"),
        (folder("../x"), "folder"),
        (folder("Jazz/../.."), "folder"),
        (folder("a\nb"), "folder"),
        (bounds(Bounds { folders: vec!["a".into(); 65], ..Bounds::default() }), "64"),
        (bounds(Bounds { max_bitrate: Some(0), ..Bounds::default() }), "bitrate"),
        (bounds(Bounds { quota, ..Bounds::default() }), "quota"),
        (bounds(Bounds { expires: Some(NOW), ..Bounds::default() }), "past"),
    ] {
        let error = book.handle(AccessRequest::Create(wrong.clone()), &[]).unwrap_err().to_string();
        assert!(error.contains(word) && error.lines().count() == 1, "{wrong:?}: {error}");
    }
    assert_eq!(entries(&book).len(), 1);
    for right in ["Jazz", "Jazz/Live", "/srv/music/Jazz", "Jazz/"] {
        assert!(
            book.handle(
                AccessRequest::Create(NewAccess { label: format!("l{}", right.len()), ..folder(right) }),
                &[]
            )
            .is_ok(),
            "{right}"
        );
    }
}

#[test]
fn the_oldest_revoked_tickets_are_forgotten() {
    let mut state = state::AccessState::default();
    let record = |number: u32| {
        let mut state = state::AccessState::default();
        let rig = Rig::new();
        token(&rig.book(), new("phone"));
        let stored = state::AccessState::load(&rig.file).unwrap().unwrap();
        state.add(stored.records[1].clone());
        let mut record = state.records[0].clone();
        record.key = record::RecordKey::Token(number.to_string());
        record
    };
    let first = record(0);
    for number in 0..1001_u32 {
        state
            .add(record::AccessRecord { key: record::RecordKey::Token(number.to_string()), ..first.clone() });
        assert!(state.revoke("phone", NOW).is_some());
    }
    let is_revoked = |number: u32| state.is_revoked(&record::RecordKey::Token(number.to_string()));
    assert!(!is_revoked(0) && is_revoked(1) && is_revoked(1000));
}

/// Writes a file that only its owner can read.
fn files_private(file: &std::path::Path, text: &str) {
    crate::files::write(file, text, true).unwrap();
}

proptest! {
    #[test]
    fn no_unknown_token_or_identity_is_admitted(identity in ".{0,60}", token in proptest::option::of(".{0,80}")) {
        let book = AccessBook::in_memory(Arc::new(SystemClock)).unwrap();
        prop_assert!(book.admit(&identity, token.as_deref()).is_err());
    }

    #[test]
    fn requests_and_answers_survive_the_socket(label in "[a-z]{1,9}", bytes in 1_u64.., rate in 1_u32.., once: bool) {
        let quota = Some(Quota { bytes, period: QuotaPeriod::Month });
        let bounds = Bounds { quota, max_bitrate: Some(rate), folders: vec!["Jazz".into()], ..Bounds::default() };
        let request = AccessRequest::Create(NewAccess { bounds, once, ..new(&label) });
        let text = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(&serde_json::from_str::<AccessRequest>(&text).unwrap(), &request);
        let book = AccessBook::in_memory(Arc::new(SystemClock)).unwrap();
        let answer = book.handle(request, &[route()]).unwrap();
        let text = serde_json::to_string(&answer).unwrap();
        prop_assert!(serde_json::from_str::<AccessAnswer>(&text).unwrap() == answer);
    }
}
