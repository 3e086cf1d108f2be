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
        vec![
            track.number.to_string(),
            track.id.to_string(),
            sanitize(&track.artist),
            sanitize(&track.title),
            length(track.duration_ms),
            sanitize(&track.source.to_string()),
        ]
    };
    print(table(&tracks.iter().map(row).collect::<Vec<_>>()))
}

/// The length as minutes and seconds, rounded up; `?` if the node does not know it.
fn length(millis: u64) -> String {
    match millis.div_ceil(1000) {
        0 => "?".into(),
        seconds => format!("{}:{:02}", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_length_is_rounded_up_and_an_unknown_one_is_a_question_mark() {
        let lengths = [0, 1, 1000, 59_001, 3_600_000].map(super::length);
        assert_eq!(lengths, ["?", "0:01", "0:01", "1:00", "60:00"]);
    }
}
