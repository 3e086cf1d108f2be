//! `ls`: the tracks of a node.

use media_protocol::{ListPage, Track};

use super::{
    Context,
    connection::NodeConnection,
    stdout::{print, print_json, table},
    tracks,
};
use crate::{exit::ExitError, ui::sanitize};

/// Prints the tracks of a node that contain these words.
pub(super) async fn run(
    context: &Context,
    node_text: &str,
    words: &str,
    as_json: bool,
) -> Result<(), ExitError> {
    let node = NodeConnection::open(context, &context.ticket(node_text)?).await?;
    let found = tracks::find(&node.library(), words).await;
    node.link.close().await;
    let ListPage { tracks, scanning, .. } = found?;
    if let Some(count) = scanning {
        eprintln!("the node is still scanning its library: {count} tracks so far");
    }
    if as_json {
        return print_json(&tracks);
    }
    let row = |track: &Track| {
        let seconds = track.duration_ms.div_ceil(1000);
        vec![
            track.number.to_string(),
            track.id.to_string(),
            sanitize(&track.artist),
            sanitize(&track.title),
            format!("{}:{:02}", seconds / 60, seconds % 60),
            sanitize(&track.source.to_string()),
        ]
    };
    print(table(&tracks.iter().map(row).collect::<Vec<_>>()))
}
