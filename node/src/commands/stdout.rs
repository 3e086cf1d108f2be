//! Standard output of the commands that print something and end.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// Width below which columns of lesser interest are left out, in characters.
const NARROW: usize = 60;
/// Width below which a column of texts is not cut, in characters.
const MIN_TEXT: usize = 6;

/// A column of a table on a terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    /// True for texts, which are cut if the table is too wide.
    is_text: bool,
    is_number: bool,
    is_wide_only: bool,
}

impl Column {
    /// A column of texts, which are cut to the width of the terminal.
    pub(super) fn text(heading: &'static str) -> Self {
        Self { is_text: true, ..Self::fixed(heading) }
    }

    /// A column that is never cut.
    pub(super) fn fixed(heading: &'static str) -> Self {
        Self { heading, is_text: false, is_number: false, is_wide_only: false }
    }

    /// A column of numbers, which stand at its right side and are never cut.
    pub(super) fn number(heading: &'static str) -> Self {
        Self { is_number: true, ..Self::fixed(heading) }
    }

    /// Leaves the column out on a narrow terminal.
    pub(super) fn wide_only(self) -> Self {
        Self { is_wide_only: true, ..self }
    }
}

/// A table on standard output that grows: on a terminal with a heading and within its width, else in full. Its columns never
/// become narrower.
pub(super) struct TerminalTable {
    columns: Vec<Column>,
    /// Width of the terminal, in characters.
    terminal: Option<usize>,
    is_begun: bool,
    /// Greatest width of the cells so far, for each column.
    widest: Vec<usize>,
}

impl TerminalTable {
    /// A table without rows.
    pub(super) fn new(columns: Vec<Column>) -> Self {
        let width = || crossterm::terminal::size().map_or(80, |(width, _)| usize::from(width).max(20));
        let terminal = io::stdout().is_terminal().then(width);
        Self { widest: vec![0; columns.len()], columns, terminal, is_begun: false }
    }

    /// Formats the next rows.
    pub(super) fn lines(&mut self, mut rows: Vec<Vec<String>>) -> Vec<String> {
        if !std::mem::replace(&mut self.is_begun, true) && self.terminal.is_some() {
            rows.insert(0, self.columns.iter().map(|column| column.heading.to_owned()).collect());
        }
        for (index, widest) in self.widest.iter_mut().enumerate() {
            let widths = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.width());
            *widest = widths.max().unwrap_or(0).max(*widest);
        }
        aligned(&self.columns, &rows, &self.widest, self.terminal.unwrap_or(usize::MAX))
    }
}

/// Formats rows with columns of these widths; within `width` characters, if the columns that are never cut leave room. Leaves
/// out empty columns.
fn aligned(columns: &[Column], rows: &[Vec<String>], widest: &[usize], width: usize) -> Vec<String> {
    let widest = |index: usize| widest.get(index).copied().unwrap_or(0);
    let is_shown =
        |(index, column): &(usize, &Column)| widest(*index) > 0 && (width >= NARROW || !column.is_wide_only);
    let shown: Vec<_> = columns.iter().enumerate().filter(is_shown).collect();
    let cell = |row: &[String], index: usize| row.get(index).cloned().unwrap_or_default();
    let mut widths: Vec<_> = shown.iter().map(|(index, _)| widest(*index)).collect();
    let spaces = 2 * widths.len().saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + spaces).saturating_sub(width);
    while excess > 0 {
        let texts = widths.iter_mut().zip(&shown).filter(|(_, (_, column))| column.is_text);
        let Some((width, _)) = texts.max_by_key(|(width, _)| **width).filter(|(width, _)| **width > MIN_TEXT)
        else {
            break;
        };
        *width -= 1;
        excess -= 1;
    }
    let line = |row: &Vec<String>| {
        let cells = shown.iter().zip(&widths).map(|((index, column), width)| {
            let text = cut(&cell(row, *index), *width);
            let padding = " ".repeat(width.saturating_sub(text.width()));
            if column.is_number { padding + &text } else { text + &padding }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Cuts a text to `width` characters of a terminal, with a mark at its end.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if short.width() + letter.width().unwrap_or(0) + 1 > width {
            break;
        }
        short.push(letter);
    }
    short + "\u{2026}"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_into_any_width() {
        let columns = vec![
            Column::number("#"),
            Column::text("artist"),
            Column::text("title"),
            Column::fixed("x").wide_only(),
        ];
        let row = |cells: [&str; 4]| cells.map(String::from).to_vec();
        let rows = [
            row(["9", "Weather Report", "A Remark You Made", "y"]),
            row(["10", "\u{6df1}\u{6d77}\u{9b5a}", "", "y"]),
        ];
        let whole = [
            " 9  Weather Report  A Remark You Made  y",
            "10  \u{6df1}\u{6d77}\u{9b5a}                             y",
        ];
        let aligned = |width| {
            let mut table = TerminalTable::new(columns.clone());
            (table.terminal, table.is_begun) = (Some(width), true);
            table.lines(rows.to_vec())
        };
        assert_eq!(aligned(usize::MAX), whole);
        for width in [20, 24, 30, 40, 80] {
            let lines = aligned(width);
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
        }
        assert_eq!(aligned(24)[0], " 9  Weather \u{2026}  A Remark\u{2026}");
        assert_eq!(cut("\u{6df1}\u{6d77}\u{9b5a}", 4), "\u{6df1}\u{2026}");
    }

    #[test]
    fn a_column_without_texts_takes_no_room() {
        let mut table =
            TerminalTable::new(vec![Column::number("#"), Column::text("album"), Column::text("title")]);
        (table.terminal, table.is_begun) = (None, true);
        let row = |album: &str| vec!["1".to_owned(), album.to_owned(), "x".to_owned()];
        assert_eq!(table.lines(vec![row("")]), ["1  x"]);
        assert_eq!(table.lines(vec![row("ab"), row("")]), ["1  ab  x", "1      x"]);
    }
}
