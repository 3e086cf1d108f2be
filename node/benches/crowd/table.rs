//! What was measured, for people and as JSON.

use serde_json::{Value, json};

/// What a row should come to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Ours over theirs.
    RatioAtMost(f64),
    /// Ours over theirs, and ours in the row's unit.
    BothAtMost(f64, f64),
    /// Ours, in the row's unit.
    AtMost(f64),
    /// The row is there to be looked at.
    None,
}

#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Value>);

impl Table {
    /// Adds a row and prints it. `theirs` is icecast2's figure, where there is one.
    pub(crate) fn row(&mut self, what: &str, unit: &str, ours: f64, theirs: Option<f64>, goal: Goal) {
        if self.0.is_empty() {
            println!("| what | ours | icecast2 | ratio | goal | met |\n|---|---:|---:|---:|---|---|");
        }
        let ratio = theirs.map(|theirs| ours / theirs);
        let (text, met) = match goal {
            Goal::RatioAtMost(most) => (format!("ratio at most {most}"), ratio.map(|it| it <= most)),
            Goal::BothAtMost(times, most) => (
                format!("ratio at most {times}, at most {most} {unit}"),
                ratio.map(|it| it <= times && ours <= most),
            ),
            Goal::AtMost(most) => (format!("at most {most} {unit}").trim().to_owned(), Some(ours <= most)),
            Goal::None => (String::new(), None),
        };
        let missing = match goal {
            Goal::RatioAtMost(_) | Goal::BothAtMost(..) => "not installed",
            _ => "",
        };
        let figure = |it: f64| format!("{} {unit}", short(it)).trim().to_owned();
        let (their, quotient) =
            (theirs.map_or(missing.into(), figure), ratio.map_or(String::new(), |it| format!("{it:.2}")));
        let yes = met.map_or("", |it| if it { "yes" } else { "no" });
        println!("| {what} | {} | {their} | {quotient} | {text} | {yes} |", figure(ours));
        self.0
            .push(json!({ "what": what, "unit": unit, "ours": ours, "against": "icecast2", "theirs": theirs,
            "ratio": ratio, "goal": text, "met": met }));
    }

    /// Leaves all rows where a program finds them.
    pub(crate) fn write(self) {
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "../target".into());
        let file = format!("{target}/crowd.json");
        std::fs::write(&file, format!("{:#}\n", Value::Array(self.0))).unwrap();
        println!("written to {file}");
    }
}

fn short(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}
