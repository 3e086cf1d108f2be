//! Time of a search among 50,000 tracks: 1,000 searches, each typed letter by letter.
//!
//! `cargo bench -p media-node --bench search` prints the figures. `SEARCH_TRACKS` is the number of tracks. It makes files of
//! 0.1 s in a temporary folder with words of their own in the tags, and asks the catalog for the first 50 matches with
//! details, as a server does.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark says what it expects by failing there"
)]

#[path = "../tests/common/fixtures.rs"]
mod fixtures;
#[path = "../tests/common/tagged_flac.rs"]
mod tagged_flac;

use std::{
    fs,
    time::{Duration, Instant},
};

use media_node::library::Catalog;
use media_protocol::List;
use tagged_flac::TaggedFlac;

/// Tracks of an album.
const PER_ALBUM: u32 = 12;
/// Albums of an artist.
const PER_ARTIST: u32 = 6;
/// Syllables of which words are made.
const SYLLABLES: [&str; 24] = [
    "ka", "lo", "mi", "ren", "sol", "tu", "va", "zen", "bjö", "dor", "el", "fa", "gri", "hon", "is", "jul",
    "ø", "par", "qui", "ros", "sté", "tor", "un", "wy",
];

fn main() {
    // `cargo test --benches` only checks that it runs.
    let (count, searches) = if std::env::args().any(|argument| argument == "--bench") {
        (std::env::var("SEARCH_TRACKS").map_or(50_000, |count| count.parse().unwrap()), 1000)
    } else {
        (200, 20)
    };
    let folder = tempfile::tempdir().unwrap();
    let music = folder.path().join("music");
    let sound = fixtures::music(8_000, 1, 0.1);
    let file = fixtures::encode(folder.path(), fixtures::Kind::FlacS16, 8_000, 1, &sound);
    let flac = TaggedFlac::new(&fs::read(file).unwrap());
    let tracks: Vec<_> = (0..count).map(Words::of).collect();
    for (number, words) in (0..).zip(&tracks) {
        let album = music.join(format!("{}", number / PER_ALBUM));
        if number % PER_ALBUM == 0 {
            fs::create_dir_all(&album).unwrap();
        }
        fs::write(album.join(format!("{number}.flac")), flac.with_tags(&words.tags())).unwrap();
    }
    let catalog = Catalog::scan(&[music], false).unwrap();
    let mut times = Vec::new();
    let mut found = 0;
    for number in 0..searches {
        let words = &tracks[(number * 7919 % count) as usize];
        let text = words.search(number);
        for end in text.char_indices().map(|(at, letter)| at + letter.len_utf8()) {
            let list = List { limit: 50, search: text[..end].into(), detail: true, ..List::default() };
            let began = Instant::now();
            let page = catalog.list(&list);
            times.push(began.elapsed());
            found += u32::from(end == text.len() && page.total > 0);
        }
    }
    assert_eq!(found, searches, "each whole search finds its track");
    times.sort();
    let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
    println!("{count} tracks, {searches} searches of {} letters in all", times.len());
    println!("median {}, p95 {}, longest {}", at(50), at(95), at(100));
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// The tags of a track.
struct Words {
    number: u32,
    title: String,
    artist: String,
    album: String,
}

impl Words {
    fn of(number: u32) -> Self {
        let album = number / PER_ALBUM;
        let artist = album / PER_ARTIST;
        Self {
            number,
            title: phrase(number, 4),
            artist: phrase(artist, 2),
            album: phrase(album + 1_000_000, 3),
        }
    }

    fn tags(&self) -> Vec<String> {
        let (track, year) = (self.number % PER_ALBUM + 1, 1950 + self.number / 600 % 70);
        vec![
            format!("TITLE={}", self.title),
            format!("ARTIST={}", self.artist),
            format!("ALBUM={}", self.album),
            format!("TRACKNUMBER={track}"),
            format!("DATE={year}"),
            format!("GENRE={}", ["Jazz", "Rock", "Pop", "Classical"][self.number as usize / 300 % 4]),
        ]
    }

    /// A search for the track: by title, by artist and album, or by artist and a part of the title.
    fn search(&self, number: u32) -> String {
        match number % 3 {
            0 => self.title.to_lowercase(),
            1 => format!("{} {}", self.artist, self.album),
            _ => format!("{} {}", self.artist, self.title.split(' ').next().unwrap()),
        }
    }
}

/// Some words that `seed` determines.
fn phrase(seed: u32, words: u32) -> String {
    let mut random = seed.wrapping_mul(2_654_435_761) ^ 0x9e37_79b9;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 16) % below
    };
    let mut text = String::new();
    for word in 0..=next(words) {
        if word > 0 {
            text.push(' ');
        }
        for _ in 0..2 + next(2) {
            text.push_str(SYLLABLES[next(24) as usize]);
        }
    }
    text
}
