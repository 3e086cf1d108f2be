use serde::{Deserialize, Serialize};

use super::Repeat;

/// A request to the player, from a key, another program or another device.
///
/// The JSON form is stable: an object with the field `command` and the fields of the variant, as in
/// `{"command":"seek_by","seconds":10}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Ends a pause. In JSON, this command can also be called `resume`.
    #[serde(alias = "resume")]
    Play,
    /// Pauses.
    Pause,
    /// Pauses, or ends a pause.
    Toggle,
    /// Jumps to a position in the current track.
    SeekTo {
        /// Seconds from the start of the track.
        seconds: f64,
    },
    /// Jumps within the current track, relative to the current position.
    SeekBy {
        /// Seconds; negative values go back.
        seconds: f64,
    },
    /// Jumps to a position in the current track, as a share of its length.
    SeekToPercent {
        /// 0 to 100; larger values count as 100.
        percent: u8,
    },
    /// Sets the volume. Ends muting.
    SetVolume {
        /// 0 to 100; larger values count as 100.
        percent: u8,
    },
    /// Changes the volume. Ends muting.
    ChangeVolume {
        /// Percentage points; negative values make it quieter.
        percent: i8,
    },
    /// Silences the sound while the player goes on, or ends that.
    ToggleMute,
    /// Plays the queue in a random order, or in its own.
    SetShuffle {
        /// True for a random order.
        on: bool,
    },
    /// Switches between a random order and that of the queue.
    ToggleShuffle,
    /// Sets the tracks to repeat.
    SetRepeat {
        /// The tracks.
        repeat: Repeat,
    },
    /// Goes to the next of: no repetition, all tracks, this track.
    CycleRepeat,
    /// Plays the next track. Does nothing on the last track, unless the queue is repeated.
    Next,
    /// Plays the current track from its start, or the previous track if the current one began less than 3 s ago.
    Previous,
    /// Plays another track of the queue from its start.
    GoTo {
        /// Index in the queue, from 0.
        index: usize,
    },
    /// Stops the player.
    Quit,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that control the player depend on these forms.
    #[test]
    fn the_json_form_is_stable() {
        let forms = [
            (Command::Play, r#"{"command":"play"}"#),
            (Command::Pause, r#"{"command":"pause"}"#),
            (Command::Toggle, r#"{"command":"toggle"}"#),
            (Command::SeekTo { seconds: 61.5 }, r#"{"command":"seek_to","seconds":61.5}"#),
            (Command::SeekBy { seconds: -10.0 }, r#"{"command":"seek_by","seconds":-10.0}"#),
            (Command::SetVolume { percent: 80 }, r#"{"command":"set_volume","percent":80}"#),
            (Command::ChangeVolume { percent: -5 }, r#"{"command":"change_volume","percent":-5}"#),
            (Command::SeekToPercent { percent: 50 }, r#"{"command":"seek_to_percent","percent":50}"#),
            (Command::ToggleMute, r#"{"command":"toggle_mute"}"#),
            (Command::SetShuffle { on: true }, r#"{"command":"set_shuffle","on":true}"#),
            (Command::ToggleShuffle, r#"{"command":"toggle_shuffle"}"#),
            (Command::SetRepeat { repeat: Repeat::All }, r#"{"command":"set_repeat","repeat":"all"}"#),
            (Command::CycleRepeat, r#"{"command":"cycle_repeat"}"#),
            (Command::Next, r#"{"command":"next"}"#),
            (Command::Previous, r#"{"command":"previous"}"#),
            (Command::GoTo { index: 3 }, r#"{"command":"go_to","index":3}"#),
            (Command::Quit, r#"{"command":"quit"}"#),
        ];
        for (command, json) in forms {
            assert_eq!(serde_json::to_string(&command).unwrap(), json);
            assert_eq!(serde_json::from_str::<Command>(json).unwrap(), command);
        }
    }

    #[test]
    fn json_of_other_programs_is_read_leniently_but_never_guessed() {
        let read = |json| serde_json::from_str::<Command>(json).ok();
        assert_eq!(read(r#"{"command":"resume"}"#), Some(Command::Play));
        assert_eq!(read(r#"{"seconds":10,"command":"seek_by"}"#), Some(Command::SeekBy { seconds: 10.0 }));
        for wrong in
            [r#"{"command":"stop"}"#, r#"{"command":"seek_by"}"#, r#"{"command":"go_to","index":-1}"#, "{}"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
