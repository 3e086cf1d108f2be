//! Standard output of the commands that print something and end.

use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::exit::{Exit, ExitContext, ExitError};

/// Prints lines. A closed pipe, as in `media-node ls … | head`, is no error.
pub(super) fn print(lines: impl IntoIterator<Item = String>) -> Result<(), ExitError> {
    print_part(lines).map(drop)
}

/// Prints lines, of which more may follow. Returns false if nobody reads them any more.
pub(super) fn print_part(lines: impl IntoIterator<Item = String>) -> Result<bool, ExitError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = lines.into_iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context(Exit::Failed, "writing to standard output"),
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), ExitError> {
    print([serde_json::to_string_pretty(value).context(Exit::Failed, "writing JSON")?])
}

/// Formats rows with aligned columns, each as wide as its widest cell on a terminal.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    Table::default().lines(rows)
}

/// A table that grows. Its columns never become narrower.
#[derive(Debug, Default)]
pub(super) struct Table {
    widths: Vec<usize>,
}

impl Table {
    /// Formats the next rows.
    pub(super) fn lines(&mut self, rows: &[Vec<String>]) -> Vec<String> {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let pad = |(cell, width): (&String, &usize)| format!("{cell}{}", " ".repeat(width - cell.width()));
        let line = |row: &Vec<String>| row.iter().zip(&self.widths).map(pad).collect::<Vec<_>>().join("  ");
        rows.iter().map(|row| line(row).trim_end().to_owned()).collect()
    }
}
