//! A generated library: many short files with tags of every kind.

use std::{fs, path::Path};

use crate::{
    fixtures::{self, Kind},
    rig::Music,
    tagged_flac::TaggedFlac,
};

/// An ID3v2.3 tag of text frames, each with its body.
fn id3(frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let frame = |(name, body): &(&[u8; 4], &[u8])| {
        [&name[..], &(body.len() as u32).to_be_bytes(), &[0, 0], body].concat()
    };
    let body: Vec<u8> = frames.iter().flat_map(frame).collect();
    let size = [(body.len() >> 7) as u8, (body.len() & 127) as u8];
    [b"ID3\x03\0\0\0\0".as_slice(), &size, &body].concat()
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Files in FLAC: the path without ending, and the tags, divided by `;`. The names of files say nothing about the order.
const FLAC: &[(&str, &str)] = &[
    // Albums by one artist.
    (
        "weather/hw/z",
        "TITLE=Birdland;ARTIST=Weather Report;ALBUM=Heavy Weather;TRACKNUMBER=1;DATE=1977-03;GENRE=Fusion",
    ),
    (
        "weather/hw/y",
        "TITLE=A Remark You Made;ARTIST=Weather Report;ALBUM=Heavy Weather;TRACKNUMBER=02;DATE=1977-03",
    ),
    (
        "weather/hw/x",
        "TITLE=Teen Town;ARTIST=Weather Report;ALBUM=Heavy Weather;TRACKNUMBER=3/8;DATE=1977-03",
    ),
    ("weather/hw/a", "TITLE=Bonus;ARTIST=Weather Report;ALBUM=Heavy Weather;DATE=1977-03"),
    (
        "weather/bm/1",
        "TITLE=Black Market;ARTIST=Weather Report;ALBUM=Black Market;TRACKNUMBER=1;DATE=2001;ORIGINALDATE=1976",
    ),
    // Names for sorting and articles.
    ("beatles/1", "TITLE=Something;ARTIST=The Beatles;ALBUM=Abbey Road;TRACKNUMBER=2;DATE=1969"),
    (
        "miles/1",
        "TITLE=So What;ARTIST=Miles Davis;ARTISTSORT=Davis, Miles;ALBUM=Kind of Blue;TRACKNUMBER=1;DATE=1959;GENRE=Jazz;GENRE=Modal Jazz",
    ),
    // Unicode in both spellings: one artist.
    ("bj/homogenic/1", "TITLE=J\u{f3}ga;ARTIST=Bj\u{f6}rk;ALBUM=Homogenic;TRACKNUMBER=2;DATE=1997"),
    ("bj/post/1", "TITLE=Army of Me;ARTIST=Bjo\u{308}rk;ALBUM=Post;TRACKNUMBER=1;DATE=1995"),
    ("mot\u{f6}r/1", "TITLE=Ace of Spades;ARTIST=Mot\u{f6}rhead;ALBUM=Ace of Spades;TRACKNUMBER=1;DATE=1980"),
    ("bey/1", "TITLE=Formation;ARTIST=BEYONC\u{c9};ALBUM=Lemonade;TRACKNUMBER=12;DATE=2016"),
    // Two albums of one name.
    (
        "hits/queen/1",
        "TITLE=Bohemian Rhapsody;ARTIST=Queen;ALBUMARTIST=Queen;ALBUM=Greatest Hits;TRACKNUMBER=1;DATE=1981",
    ),
    (
        "hits/queen/2",
        "TITLE=Killer Queen;ARTIST=Queen;ALBUMARTIST=Queen;ALBUM=Greatest Hits;TRACKNUMBER=3;DATE=1981",
    ),
    ("hits/abba/1", "TITLE=SOS;ARTIST=ABBA;ALBUMARTIST=ABBA;ALBUM=Greatest Hits;TRACKNUMBER=1;DATE=1976"),
    // Two albums of one name in one folder, without album artists.
    ("live/1", "TITLE=Opening;ARTIST=Anna;ALBUM=Live;TRACKNUMBER=1"),
    ("live/2", "TITLE=Closing;ARTIST=Anna;ALBUM=Live;TRACKNUMBER=2"),
    ("live/3", "TITLE=Start;ARTIST=Bert;ALBUM=Live;TRACKNUMBER=1"),
    // A compilation of two discs in folders of their own.
    (
        "now 45/CD1/b",
        "TITLE=One;ARTIST=Robbie;ALBUMARTIST=Various Artists;COMPILATION=1;ALBUM=Now That's What I Call Music! 45;TRACKNUMBER=1;DATE=2000",
    ),
    (
        "now 45/CD1/a",
        "TITLE=Two;ARTIST=Kylie;ALBUMARTIST=Various Artists;COMPILATION=1;ALBUM=Now That's What I Call Music! 45;TRACKNUMBER=2;DATE=2000",
    ),
    (
        "now 45/CD2/b",
        "TITLE=Three;ARTIST=Moby;ALBUMARTIST=Various Artists;COMPILATION=1;ALBUM=Now That's What I Call Music! 45;TRACKNUMBER=1;DATE=2000",
    ),
    // A compilation that does not say so.
    ("summer/1", "TITLE=Sun;ARTIST=Carla;ALBUM=Summer Mix;TRACKNUMBER=1"),
    ("summer/2", "TITLE=Sea;ARTIST=Dora;ALBUM=Summer Mix;TRACKNUMBER=2"),
    // Discs by tags, all in one folder; several artists of a track.
    (
        "zoo/Zebra",
        "TITLE=Zebra;ARTIST=Keeper 1;ARTIST=Bj\u{f6}rk;ALBUMARTIST=Various Artists;ALBUM=Zoo;DISCNUMBER=1/2;TRACKNUMBER=1;DATE=1998-03-01;GENRE=Jazz",
    ),
    (
        "zoo/Yak",
        "TITLE=Yak;ARTIST=Keeper 2;ALBUMARTIST=Various Artists;ALBUM=Zoo;DISCNUMBER=1/2;TRACKNUMBER=2;DATE=1998-03-01;GENRE=Jazz",
    ),
    (
        "zoo/Ant",
        "TITLE=Ant;ARTIST=Keeper 3;ALBUMARTIST=Various Artists;ALBUM=Zoo;DISCNUMBER=2/2;TRACKNUMBER=1;DATE=1998-03-01;GENRE=Jazz",
    ),
    // Discs in titles.
    ("wall/1", "TITLE=In the Flesh?;ARTIST=Pink Floyd;ALBUM=The Wall (Disc 1);TRACKNUMBER=1;DATE=1979"),
    ("wall/2", "TITLE=Hey You;ARTIST=Pink Floyd;ALBUM=The Wall (Disc 2);TRACKNUMBER=1;DATE=1979"),
    // Sides of a record.
    ("vinyl/1", "TITLE=Second Side;ARTIST=Vera;ALBUM=Record;TRACKNUMBER=B1"),
    ("vinyl/2", "TITLE=First Side;ARTIST=Vera;ALBUM=Record;TRACKNUMBER=A2"),
    ("vinyl/3", "TITLE=Very First;ARTIST=Vera;ALBUM=Record;TRACKNUMBER=A1"),
    // One release by its id, in two folders and two spellings.
    (
        "mb/a/1",
        "TITLE=Here;ARTIST=Mia;ALBUM=Release;TRACKNUMBER=1;MUSICBRAINZ_ALBUMID=0a5a8a5c-0000-4000-8000-000000000001",
    ),
    (
        "mb/b/1",
        "TITLE=There;ARTIST=Mia feat. Max;ALBUM=Release!;TRACKNUMBER=2;MUSICBRAINZ_ALBUMID=0a5a8a5c-0000-4000-8000-000000000001",
    ),
    // Scripts without spaces, letters without accents to remove, punctuation.
    ("other/1", "TITLE=\u{6df1}\u{6d77}\u{9b5a};ARTIST=\u{691c}\u{67fb};ALBUM="),
    ("other/2", "TITLE=S\u{f8}ster \u{e6}ble;ARTIST=\u{141}ukasz;ALBUM="),
    ("other/3", "TITLE=T.N.T.;ARTIST=AC/DC;ALBUM="),
    ("zzz/1", "TITLE=Heavy;ARTIST=Zed"),
    // Nothing visible in the title.
    ("other/ghost", "TITLE=\u{200b}\u{3164};ARTIST=Ghost"),
];

/// Makes the library.
pub(super) fn make() -> Music {
    let music = Music::new();
    let workshop = tempfile::tempdir().unwrap();
    let sound = fixtures::music(8_000, 1, 0.1);
    let flac = fixtures::encode(workshop.path(), Kind::FlacS16, 8_000, 1, &sound);
    let flac = TaggedFlac::new(&fs::read(flac).unwrap());
    for (path, tags) in FLAC {
        let tags: Vec<_> = tags.split(';').collect();
        write(music.path(), &format!("{path}.flac"), &flac.with_tags(&tags));
    }
    for part in 1..=12 {
        let (title, number) = (format!("TITLE=Tropical Breeze, Part {part}"), format!("TRACKNUMBER={part}"));
        let tags =
            [title.as_str(), &number, "ARTIST=Island Sound", "ALBUM=Tropical Breeze Suite", "DATE=1999"];
        write(music.path(), &format!("tropical/{}.flac", 99 - part), &flac.with_tags(&tags));
    }
    // No tags at all: the file's name is the title.
    for song in 1..=4 {
        let comment = format!("COMMENT={song}");
        write(music.path(), &format!("songs/Song {song}.flac"), &flac.with_tags(&[&comment]));
    }
    // Windows-1252 in a frame that says Latin-1, and a year in an old frame.
    let tag = id3(&[
        (b"TIT2", b"\0Don\x92t \x80"),
        (b"TPE1", b"\x01\xff\xfeO\0l\0d\0"),
        (b"TALB", b"\0Latin"),
        (b"TYER", b"\x001989"),
        (b"TRCK", b"\x0004/9"),
    ]);
    let mp3 = fixtures::encode(workshop.path(), Kind::Mp3, 44_100, 1, &fixtures::music(44_100, 1, 0.3));
    write(music.path(), "latin/1.mp3", &[tag, fs::read(mp3).unwrap()].concat());
    let opus = music.path().join("opus");
    fs::create_dir(&opus).unwrap();
    let wav = fixtures::encode(workshop.path(), Kind::WavS16, 48_000, 1, &fixtures::music(48_000, 1, 0.2));
    let tags = [("TITLE", "Loud"), ("ARTIST", "Olga"), ("ALBUM", "Levels"), ("R128_TRACK_GAIN", "-512")];
    fixtures::tag(&wav, &opus.join("1.opus"), &tags);
    music
}
