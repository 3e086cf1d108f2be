//! Writes a benchmark's table into a page of the documentation, between the marks `<!-- bench:NAME -->` and
//! `<!-- end -->`: `cargo bench -p media-node --bench NAME -- --write`.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    path::Path,
};

/// Command-line argument that asks for it.
const WRITE: &str = "--write";

/// Whether the command line asks to write the table.
pub(crate) fn is_wanted() -> bool {
    std::env::args().any(|argument| argument == WRITE)
}

/// Replaces the text between the marks of `name` in `page`, a path relative to the crate, with `table`.
///
/// # Errors
/// If the page cannot be read or written, or lacks the marks.
pub(crate) fn write(page: &str, name: &str, table: &str) -> Result<()> {
    write_to(&Path::new(env!("CARGO_MANIFEST_DIR")).join(page), name, table)
}

pub(crate) fn write_to(page: &Path, name: &str, table: &str) -> Result<()> {
    let said = |problem: &str| Error::new(ErrorKind::InvalidData, format!("{}: {problem}", page.display()));
    let text = fs::read_to_string(page).map_err(|error| said(&error.to_string()))?;
    let begin = format!("<!-- bench:{name} -->\n");
    let (before, rest) = text.split_once(&begin).ok_or_else(|| said(&format!("no mark bench:{name}")))?;
    let end = rest.find("<!-- end -->").ok_or_else(|| said(&format!("no end of bench:{name}")))?;
    if rest[..end].contains("<!-- bench:") {
        return Err(said(&format!("no end of bench:{name} before the next table")));
    }
    let new = format!("{before}{begin}{}\n{}", table.trim_end(), &rest[end..]);
    if new != text {
        fs::write(page, new).map_err(|error| said(&error.to_string()))?;
    }
    eprintln!("wrote bench:{name} in {}", page.display());
    Ok(())
}
