//! The album of [`transcode`] again after a restart, from the cache on disk.

use std::{path::PathBuf, time::Instant};

use tokio::runtime::Runtime;

use crate::{
    listener::{Listener, whole},
    program::Home,
    stage::{self, Stage},
    table::{Goal, Row, median},
    transcode,
};

const WALL: &str = "the same album after a restart, from the cache on disk, wall time";
const CPU: &str = "the same, CPU time of the node";
const AGAINST: &str = "ours, encoding it";

pub(crate) fn rows(stage: &Stage, runtime: &Runtime) -> Vec<Row> {
    if let Some(why) = stage::lacking(&["flac"]) {
        return vec![Row::missing(WALL, &why)];
    }
    let album = transcode::album(stage);
    let (mut first, mut again) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..stage.few_rounds() {
        let home = Home::new();
        home.configure("[server]\ndisk_cache = \"1GB\"\n");
        for costs in [&mut first, &mut again] {
            let cost = runtime.block_on(node(&home, &album));
            costs.iter_mut().zip(cost).for_each(|(all, one)| all.push(one));
        }
    }
    let row = |what, place: usize| {
        let theirs = (AGAINST, median(&first[place]));
        Row::of(what, "s", median(&again[place]), theirs, Goal::None)
    };
    vec![row(WALL, 0), row(CPU, 1)]
}

/// Wall time and CPU time, in seconds, to fetch every chunk from a fresh node.
async fn node(home: &Home, album: &[PathBuf]) -> [f64; 2] {
    let node = home.serve(&album.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    let listener = Listener::connect(&node.ticket).await;
    let tracks = listener.tracks().await;
    let used = || stage::processor_time(node.process.id()).unwrap_or_default();
    let (began, before) = (Instant::now(), used());
    let mut renditions = Vec::new();
    for track in &tracks {
        renditions.push(listener.rendition(track, "opus").await);
    }
    listener.fetch(renditions.iter().flat_map(whole), transcode::AT_ONCE).await;
    let cost = [began.elapsed().as_secs_f64(), used() - before];
    listener.close().await;
    cost
}
