use super::*;
use crate::library::test_support::track_file;

/// Groups of titles by album. A track is given as path, album, artist and album artist.
fn groups(tracks: &[(&str, &str, &str, &str, u16)]) -> Vec<Vec<String>> {
    let files: Vec<_> = tracks
        .iter()
        .map(|(path, album, artist, album_artist, number)| {
            let mut file = track_file(path, 1);
            (file.title, file.album, file.artist) = ((*path).into(), (*album).into(), (*artist).into());
            file.tags.album_artists = album_artist.split_terminator('\n').map(String::from).collect();
            file.tags.track = Some(*number).filter(|number| *number > 0);
            file
        })
        .collect();
    let index = AlbumIndex::new(files.iter());
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (position, file) in files.iter().enumerate() {
        let id = index.id(position).to_owned();
        match groups.iter_mut().find(|(other, _)| *other == id && !id.is_empty()) {
            Some((_, titles)) => titles.push(file.title.clone()),
            None => groups.push((id, vec![file.title.clone()])),
        }
    }
    groups.into_iter().map(|(_, titles)| titles).collect()
}

#[test]
fn one_title_in_two_folders_or_by_two_artists_is_two_albums() {
    let hits = |path, artist, number| (path, "Greatest Hits", artist, artist, number);
    let found = groups(&[hits("/a/1", "Queen", 1), hits("/a/2", "ABBA", 1), hits("/b/1", "Queen", 1)]);
    assert_eq!(found, [["/a/1"], ["/a/2"], ["/b/1"]]);
    // Without album artists, equal numbers tell.
    let found = groups(&[("/a/1", "Hits", "Queen", "", 1), ("/a/2", "Hits", "ABBA", "", 1)]);
    assert_eq!(found.len(), 2);
    let found = groups(&[("/a/1", "Hits", "Queen", "", 1), ("/a/2", "Hits", "ABBA", "", 2)]);
    assert_eq!(found, [["/a/1", "/a/2"]]);
}

#[test]
fn discs_in_folders_or_titles_are_one_album() {
    let found = groups(&[
        ("/wall/CD1/1", "The Wall", "Pink Floyd", "", 1),
        ("/wall/CD2/1", "The Wall", "Pink Floyd", "", 1),
        ("/zoo CD1/1", "Zoo", "X", "X", 1),
        ("/zoo CD2/1", "zoo", "X", "X", 1),
        ("/y/1", "Yes (Disc 1)", "X", "X", 1),
        ("/y/2", "Yes [CD 2]", "X", "X", 1),
        ("/y/3", "", "X", "X", 1),
        ("/y/4", "", "X", "X", 1),
    ]);
    let expected: [&[&str]; 5] = [
        &["/wall/CD1/1", "/wall/CD2/1"],
        &["/zoo CD1/1", "/zoo CD2/1"],
        &["/y/1", "/y/2"],
        &["/y/3"],
        &["/y/4"],
    ];
    assert_eq!(found, expected);
}

#[test]
fn discs_are_told_by_tags_titles_and_folders() {
    let mut files = ["/a/CD2/1", "/a/CD2/2", "/a/3"].map(|path| track_file(path, 1));
    files[0].tags.disc = Some(5);
    files[2].album = "A (Disc 3)".into();
    let index = AlbumIndex::new(files.iter());
    assert_eq!([0, 1, 2].map(|position| index.disc(position)), [Some(5), Some(2), Some(3)]);
}
