//! Albums, orders and searches of a generated library.

mod music;
mod program;

use media_node::library::{Album, Catalog, Named, Query, albums};
use media_protocol::{List, Track};

/// All albums, in order: artist, title, year, and the titles of the tracks.
const ALBUMS: &[(&str, &str, u16, &[&str])] = &[
    ("ABBA", "Greatest Hits", 1976, &["SOS"]),
    ("AC/DC", "", 0, &["T.N.T."]),
    ("Anna", "Live", 0, &["Opening", "Closing"]),
    ("The Beatles", "Abbey Road", 1969, &["Something"]),
    ("Bert", "Live", 0, &["Start"]),
    ("BEYONC\u{c9}", "Lemonade", 2016, &["Formation"]),
    ("Bj\u{f6}rk", "Post", 1995, &["Army of Me"]),
    ("Bj\u{f6}rk", "Homogenic", 1997, &["J\u{f3}ga"]),
    ("Miles Davis", "Kind of Blue", 1959, &["So What"]),
    ("Ghost", "", 0, &["ghost"]),
    (
        "Island Sound",
        "Tropical Breeze Suite",
        1999,
        &[
            "Tropical Breeze, Part 1",
            "Tropical Breeze, Part 2",
            "Tropical Breeze, Part 3",
            "Tropical Breeze, Part 4",
            "Tropical Breeze, Part 5",
            "Tropical Breeze, Part 6",
            "Tropical Breeze, Part 7",
            "Tropical Breeze, Part 8",
            "Tropical Breeze, Part 9",
            "Tropical Breeze, Part 10",
            "Tropical Breeze, Part 11",
            "Tropical Breeze, Part 12",
        ],
    ),
    ("\u{141}ukasz", "", 0, &["S\u{f8}ster \u{e6}ble"]),
    ("Mia", "Release", 0, &["Here", "There"]),
    ("Mot\u{f6}rhead", "Ace of Spades", 1980, &["Ace of Spades"]),
    ("Old", "Latin", 1989, &["Don\u{2019}t \u{20ac}"]),
    ("Olga", "Levels", 0, &["Loud"]),
    ("Pink Floyd", "The Wall", 1979, &["In the Flesh?", "Hey You"]),
    ("Queen", "Greatest Hits", 1981, &["Bohemian Rhapsody", "Killer Queen"]),
    ("Various Artists", "Zoo", 1998, &["Zebra", "Yak", "Ant"]),
    ("Various Artists", "Now That's What I Call Music! 45", 2000, &["One", "Two", "Three"]),
    ("Various Artists", "Summer Mix", 0, &["Sun", "Sea"]),
    ("Vera", "Record", 0, &["Very First", "First Side", "Second Side"]),
    ("Weather Report", "Black Market", 1976, &["Black Market"]),
    ("Weather Report", "Heavy Weather", 1977, &["Birdland", "A Remark You Made", "Teen Town", "Bonus"]),
    ("Zed", "", 0, &["Heavy"]),
    ("\u{691c}\u{67fb}", "", 0, &["\u{6df1}\u{6d77}\u{9b5a}"]),
    ("", "", 0, &["Song 1", "Song 2", "Song 3", "Song 4"]),
];

/// Searches with the titles of the tracks found, the best match first.
const SEARCHES: &[(&str, &[&str])] = &[
    ("bjork", &["J\u{f3}ga", "Army of Me", "Zebra"]),
    ("BJO\u{308}RK", &["J\u{f3}ga", "Army of Me", "Zebra"]),
    ("motorhead", &["Ace of Spades"]),
    ("beyonce", &["Formation"]),
    ("now that's", &["Two", "One", "Three"]),
    ("now thats 45", &["Two", "One", "Three"]),
    ("various artists", &["Two", "One", "Three", "Sun", "Sea", "Ant", "Yak", "Zebra"]),
    ("1998", &["Ant", "Yak", "Zebra"]),
    ("jazz", &["So What", "Ant", "Yak", "Zebra"]),
    ("song 3", &["Song 3"]),
    ("tropical breeze part 1", &["Tropical Breeze, Part 1"]),
    ("queen", &["Bohemian Rhapsody", "Killer Queen"]),
    ("sun", &["Sun"]),
    ("heavy", &["Heavy", "Bonus", "Teen Town", "A Remark You Made", "Birdland"]),
    ("davis miles", &["So What"]),
    ("\u{6d77}", &["\u{6df1}\u{6d77}\u{9b5a}"]),
    ("soster aeble", &["S\u{f8}ster \u{e6}ble"]),
    ("lukasz", &["S\u{f8}ster \u{e6}ble"]),
    ("tnt acdc", &["T.N.T."]),
    ("eather", &[]),
    ("nothing like it", &[]),
];

/// Words with the artist, album or tracks that they name.
const NAMED: &[(&str, &str)] = &[
    ("weather report", "artist Weather Report: Black Market, Heavy Weather"),
    ("Beatles", "artist The Beatles: Abbey Road"),
    ("bjork", "artist Bj\u{f6}rk: Post, Homogenic, Zoo"),
    ("heavy weather", "album Heavy Weather"),
    ("ace of spades", "album Ace of Spades"),
    ("greatest hits", "albums Greatest Hits, Greatest Hits"),
    ("queen greatest hits", "album Greatest Hits"),
    ("the wall", "album The Wall"),
    ("birdland", "tracks Birdland"),
    ("heavy w", "album Heavy Weather"),
    ("song 3", "tracks Song 3"),
    ("tropical breeze part 1", "tracks Tropical Breeze, Part 1"),
    ("various artists", "artist Various Artists: Zoo, Now That's What I Call Music! 45, Summer Mix"),
    ("1998", "tracks Ant, Yak, Zebra"),
    ("nothing like it", "tracks "),
];

fn list(catalog: &Catalog, search: &str) -> Vec<Track> {
    catalog.list(&List { limit: List::MAX, search: search.into(), detail: true, ..List::default() }).tracks
}

fn titles(tracks: &[Track]) -> Vec<&str> {
    tracks.iter().map(|track| track.title.as_str()).collect()
}

fn describe(named: &Named) -> String {
    let albums = |albums: &[Album]| albums.iter().map(|it| it.title.clone()).collect::<Vec<_>>().join(", ");
    match named {
        Named::Artist(name, all) => format!("artist {name}: {}", albums(all)),
        Named::Album(album) => format!("album {}", album.title),
        Named::Albums(all) => format!("albums {}", albums(all)),
        Named::Tracks(tracks) => format!("tracks {}", titles(tracks).join(", ")),
    }
}

#[test]
fn albums_searches_and_names_are_those_of_the_tables() {
    let music = music::make();
    let catalog = music.catalog();
    let all = list(&catalog, "");
    let found = albums(all.iter().cloned());
    let found: Vec<_> = found
        .iter()
        .map(|album| {
            let year = album.date.map_or(0, media_protocol::Date::year);
            (album.artist.as_str(), album.title.as_str(), year, titles(&album.tracks))
        })
        .collect();
    let expected: Vec<_> = ALBUMS
        .iter()
        .map(|(artist, title, year, titles)| (*artist, *title, *year, titles.to_vec()))
        .collect();
    assert_eq!(found, expected);
    for (words, expected) in SEARCHES {
        assert_eq!(titles(&list(&catalog, words)), *expected, "{words}");
    }
    for (words, expected) in NAMED {
        assert_eq!(describe(&Named::new(&Query::new(words), list(&catalog, words))), *expected, "{words}");
    }
    // An id is found whole, and only whole.
    let id = all[0].id.as_str();
    assert_eq!(list(&catalog, id)[0].id, all[0].id);
    assert_eq!(titles(&list(&catalog, &id[..15])), [""; 0]);
    tags_are_read(&all);
}

fn tags_are_read(all: &[Track]) {
    let detail =
        |title: &str| all.iter().find(|track| track.title == title).unwrap().detail.as_deref().unwrap();
    let zebra = detail("Zebra");
    assert_eq!(zebra.tags.artists, ["Keeper 1", "Bj\u{f6}rk"]);
    assert_eq!((zebra.tags.disc, zebra.tags.disc_total, zebra.tags.track), (Some(1), Some(2), Some(1)));
    assert_eq!(zebra.tags.date.unwrap().to_string(), "1998-03-01");
    assert!(zebra.size > 100 && zebra.bitrate.unwrap() > 1000 && zebra.added > 1_700_000_000);
    assert_eq!(detail("So What").tags.genres, ["Jazz", "Modal Jazz"]);
    assert_eq!(detail("Three").disc, Some(2));
    assert_eq!((detail("Three").tags.disc, detail("Three").tags.compilation), (None, true));
    let old = &detail("Don\u{2019}t \u{20ac}").tags;
    assert_eq!((old.track, old.track_total), (Some(4), Some(9)));
    assert_eq!(detail("Loud").tags.loudness.as_ref().unwrap().r128_track_gain, Some(-2000));
    assert_eq!(detail("Second Side").tags.side, Some('B'));
}
