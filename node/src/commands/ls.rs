//! `ls`: the tracks of a node.

use media_protocol::{ListPage, Track};

use super::{
    Context,
    connection::NodeConnection,
    stdout::{Table, print_part},
    tracks::Pages,
};
use crate::{
    exit::{Exit, ExitContext, ExitError},
    library::Provider,
    ui::sanitize,
};

/// Prints the tracks of a node that contain these words.
pub(super) async fn run(
    context: &Context,
    node_text: &str,
    words: &str,
    as_json: bool,
) -> Result<(), ExitError> {
    let node = NodeConnection::open(context, &context.ticket(node_text)?).await?;
    let printed = print_tracks(&node.library(), words, as_json).await;
    node.link.close().await;
    printed
}

/// Prints each page as it comes.
async fn print_tracks(library: &dyn Provider, words: &str, as_json: bool) -> Result<(), ExitError> {
    let mut pages = Pages::new(library, words);
    let mut format =
        if as_json { ListFormat::Json { last: String::new() } } else { ListFormat::Rows(Table::default()) };
    let mut is_notified = false;
    while let Some(ListPage { tracks, scanning, .. }) = pages.next().await? {
        if let Some(count) = scanning.filter(|_| !std::mem::replace(&mut is_notified, true)) {
            eprintln!("the node is still scanning its library: {count} tracks so far");
        }
        if !print_part(format.lines(&tracks)?)? {
            return Ok(());
        }
    }
    print_part(format.end()).map(drop)
}

/// The form in which tracks are printed.
enum ListFormat {
    Rows(Table),
    /// One array, in the form that `serde_json` gives to a whole one.
    Json {
        /// The line that is held back.
        last: String,
    },
}

impl ListFormat {
    /// Takes the next tracks. Returns the lines that can be printed now. JSON holds back the last line, since a comma follows it
    /// only if there is another track.
    fn lines(&mut self, tracks: &[Track]) -> Result<Vec<String>, ExitError> {
        let last = match self {
            Self::Rows(table) => return Ok(table.lines(&tracks.iter().map(row).collect::<Vec<_>>())),
            Self::Json { last } => last,
        };
        let mut lines = Vec::new();
        for track in tracks {
            let json = serde_json::to_string_pretty(track).context(Exit::Failed, "writing JSON")?;
            let before = std::mem::take(last);
            lines.push(if before.is_empty() { "[".to_owned() } else { before + "," });
            lines.extend(json.lines().map(|line| format!("  {line}")));
            *last = lines.pop().unwrap_or_default();
        }
        Ok(lines)
    }

    fn end(self) -> Vec<String> {
        match self {
            Self::Rows(_) => Vec::new(),
            Self::Json { last } if last.is_empty() => vec!["[]".into()],
            Self::Json { last } => vec![last, "]".into()],
        }
    }
}

fn row(track: &Track) -> Vec<String> {
    vec![
        track.number.to_string(),
        track.id.to_string(),
        sanitize(&track.artist),
        sanitize(&track.title),
        length(track.duration_ms),
        sanitize(&track.source.to_string()),
    ]
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
    use media_protocol::TrackSource;

    use super::*;

    fn track(number: u32) -> Track {
        Track {
            id: format!("t{number}").parse().unwrap(),
            number,
            title: "So What".into(),
            artist: String::new(),
            album: String::new(),
            duration_ms: 61_000,
            source: TrackSource { codec: "flac".into(), rate: 44_100, channels: 2, bits: Some(16) },
        }
    }

    #[test]
    fn pages_make_up_one_json_array() {
        for pages in [vec![], vec![0], vec![1], vec![2, 0, 1]] {
            let mut format = ListFormat::Json { last: String::new() };
            let mut lines = Vec::new();
            let mut all = Vec::new();
            for count in pages {
                let page: Vec<_> = (0..count).map(track).collect();
                lines.extend(format.lines(&page).unwrap());
                all.extend(page);
            }
            lines.extend(format.end());
            assert_eq!(lines.join("\n"), serde_json::to_string_pretty(&all).unwrap());
        }
    }

    #[test]
    fn a_length_is_rounded_up_and_an_unknown_one_is_a_question_mark() {
        let lengths = [0, 1, 1000, 59_001, 3_600_000].map(length);
        assert_eq!(lengths, ["?", "0:01", "0:01", "1:00", "60:00"]);
    }
}
