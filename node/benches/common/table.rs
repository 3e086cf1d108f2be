//! Measured rows, as a table in Markdown and as JSON.

use serde::{Deserialize, Serialize};

/// Goal of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Most for our figure divided by theirs.
    RatioAtMost(f64),
    /// Least for our figure divided by theirs.
    RatioAtLeast(f64),
    /// Most for our figure divided by theirs, and most for ours in the row's unit.
    BothAtMost(f64, f64),
    /// Most for our figure, in the row's unit.
    AtMost(f64),
    /// No goal: the row is for information.
    None,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// Unit of `ours` and `theirs`.
    pub(crate) unit: String,
    pub(crate) ours: Option<f64>,
    /// Name of the other program.
    pub(crate) against: String,
    pub(crate) theirs: Option<f64>,
    pub(crate) goal: String,
    /// `None` without a goal or a measurement.
    pub(crate) met: Option<bool>,
}

impl Row {
    /// A measured row with another program's figure.
    pub(crate) fn of(what: &str, unit: &str, ours: f64, (against, theirs): (&str, f64), goal: Goal) -> Self {
        Self::measured(what, unit, ours, against, Some(theirs), goal)
    }

    /// A measured row without another program.
    pub(crate) fn alone(what: &str, unit: &str, ours: f64, goal: Goal) -> Self {
        Self::measured(what, unit, ours, "", None, goal)
    }

    /// A row that cannot be measured here, with the reason.
    pub(crate) fn missing(what: &str, why: &str) -> Self {
        let text = String::new;
        let (ours, theirs, met) = (None, None, None);
        Self { what: what.into(), unit: text(), ours, against: why.into(), theirs, goal: text(), met }
    }

    fn measured(what: &str, unit: &str, ours: f64, against: &str, theirs: Option<f64>, goal: Goal) -> Self {
        let ratio = theirs.map(|theirs| ours / theirs);
        let (goal, met) = match goal {
            Goal::RatioAtMost(most) => (format!("ratio at most {most:.2}"), ratio.map(|it| it <= most)),
            Goal::RatioAtLeast(least) => (format!("ratio at least {least:.2}"), ratio.map(|it| it >= least)),
            Goal::BothAtMost(times, most) => (
                format!("ratio at most {times}, at most {most} {unit}"),
                ratio.map(|it| it <= times && ours <= most),
            ),
            Goal::AtMost(most) => (format!("at most {most} {unit}").trim().into(), Some(ours <= most)),
            Goal::None => (String::new(), None),
        };
        let (what, unit, against) = (what.into(), unit.into(), against.into());
        Self { what, unit, ours: Some(ours), against, theirs, goal, met }
    }

    /// Our figure divided by theirs.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.ours? / self.theirs?)
    }
}

/// Rows, each of which is printed in Markdown when it is added.
#[derive(Debug, Default)]
pub(crate) struct Table(pub(crate) Vec<Row>);

const HEAD: &str = "| what | ours | theirs | ratio | goal | met |\n|---|---:|---:|---:|---|---|";

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        if self.0.is_empty() {
            println!("{HEAD}");
        }
        println!("{}", line(&row));
        self.0.push(row);
    }
}

/// Formats rows as a table in Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    [HEAD.to_owned()].into_iter().chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn line(row: &Row) -> String {
    let figure = |it: Option<f64>| it.map(|it| format!("{} {}", short(it), row.unit)).unwrap_or_default();
    let (ours, theirs) = (figure(row.ours), figure(row.theirs));
    let theirs = match (row.against.as_str(), theirs.as_str()) {
        (against, "") => against.to_owned(),
        (against, theirs) => format!("{theirs} ({against})"),
    };
    let ratio = row.ratio().map(|it| format!("{it:.2}")).unwrap_or_default();
    let met = row.met.map_or("", |met| if met { "yes" } else { "no" });
    format!("| {} | {} | {theirs} | {ratio} | {} | {met} |", row.what, ours.trim(), row.goal)
}

fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// The median; 0 for no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of 100 values do not exceed; 0 for no values.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
