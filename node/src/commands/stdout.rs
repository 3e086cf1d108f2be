//! Standard output of the commands that print and end.

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::{Exit, ExitContext, ExitError};

/// Standard output that may be a closed pipe: `ls … | head` is no error.
pub(super) fn print(lines: impl IntoIterator<Item = String>) -> Result<(), ExitError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in lines {
        match writeln!(out, "{line}") {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context(Exit::Failed, "writing to standard output")?,
        }
    }
    match out.flush() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        flushed => flushed.context(Exit::Failed, "writing to standard output"),
    }
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), ExitError> {
    print([serde_json::to_string_pretty(value).or_exit(Exit::Failed)?])
}

/// Columns as wide as their widest cell.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    use unicode_width::UnicodeWidthStr;
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|it| it.width()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let pad = |(cell, width): (&String, &usize)| format!("{cell}{}", " ".repeat(width - cell.width()));
    rows.iter()
        .map(|row| row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ").trim_end().to_owned())
        .collect()
}
