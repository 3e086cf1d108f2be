use media_protocol::{ListPage, Track};

use super::{
    Context,
    stdout::{print, print_json, table},
};
use crate::{exit::ExitError, ui::sanitize};

/// `ls TICKET`.
pub(super) async fn run(context: &Context, text: &str, words: &str, as_json: bool) -> Result<(), ExitError> {
    let (dial, _) = context.dial(&context.ticket(text)?).await?;
    let found = Context::catalog(&dial, words).await;
    dial.close().await;
    let ListPage { tracks, scanning, .. } = found?;
    if let Some(count) = scanning {
        eprintln!("the node is still looking: {count} tracks so far");
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
