//! What a part of the run tells: a table, and how it stands with what is aimed for.

use std::fmt::{self, Write as _};

use super::statistics::{Sample, brief};

/// One kind of work.
#[derive(Debug, Clone)]
pub struct Section {
    pub title: &'static str,
    pub text: String,
    pub table: Table,
    pub aims: Vec<Aim>,
}

impl Section {
    pub fn new(title: &'static str, table: Table) -> Self {
        Self { title, text: String::new(), table, aims: Vec::new() }
    }

    /// Adds to what is said above the table.
    pub fn say(&mut self, text: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "## {}\n\n{}\n\n{}", self.title, wrapped(&self.text), self.table)
    }
}

/// A table of Markdown.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub fn row(&mut self, cells: &[String]) {
        assert_eq!(cells.len(), self.rows[0].len());
        self.rows.push(cells.to_vec());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, cells) in self.rows.iter().enumerate() {
            writeln!(f, "| {} |", cells.join(" | "))?;
            if number == 0 {
                writeln!(f, "|{}", "---|".repeat(cells.len()))?;
            }
        }
        Ok(())
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
    /// Of 1, by no more than this.
    Within(f64),
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(bound) => figure <= bound,
            Self::AtLeast(bound) => figure >= bound,
            Self::Below(bound) => figure < bound,
            Self::Within(share) => (figure - 1.0).abs() <= share,
        }
    }
}

/// A figure and what it should be.
#[derive(Debug, Clone)]
pub struct Aim {
    pub what: String,
    /// The program that the figure is a ratio to.
    pub against: Option<&'static str>,
    pub figure: f64,
    unit: &'static str,
    pub bound: Bound,
}

impl Aim {
    pub fn figure(what: String, figure: f64, unit: &'static str, bound: Bound) -> Self {
        Self { what, against: None, figure, unit, bound }
    }

    /// The median.
    pub fn of(what: String, sample: &Sample, bound: Bound) -> Self {
        Self::figure(what, sample.median(), "", bound)
    }

    /// The median of ratios to another program.
    pub fn ratio(what: String, against: &'static str, ratios: &Sample, bound: Bound) -> Self {
        Self { against: Some(against), ..Self::of(what, ratios, bound) }
    }

    pub fn is_met(&self) -> bool {
        self.bound.holds(self.figure)
    }

    fn with_unit(&self, number: &str) -> String {
        let space = if self.unit.is_empty() { "" } else { " " };
        format!("{number}{space}{}", self.unit)
    }

    fn row(&self) -> [String; 5] {
        let (sign, bound) = match self.bound {
            Bound::AtMost(bound) => ("≤", brief(bound)),
            Bound::AtLeast(bound) => ("≥", brief(bound)),
            Bound::Below(bound) => ("<", brief(bound)),
            Bound::Within(share) => ("1 ±", brief(share)),
        };
        // As exact as it has to be for one to see on which side it is.
        let is_close = matches!(self.bound, Bound::Within(_)) || brief(self.figure) == bound;
        let figure = if is_close { format!("{:.3}", self.figure) } else { brief(self.figure) };
        let (figure, bound) = (self.with_unit(&figure), format!("{sign} {}", self.with_unit(&bound)));
        let met = if self.is_met() { "yes" } else { "**no**" };
        [self.what.clone(), self.against.unwrap_or_default().to_owned(), figure, bound, met.to_owned()]
    }
}

/// All aims as a table, and how many are met.
pub fn aims(sections: &[Section]) -> String {
    let all: Vec<&Aim> = sections.iter().flat_map(|section| &section.aims).collect();
    let mut table = Table::new(&["work", "against", "figure", "aim", "met"]);
    all.iter().for_each(|aim| table.row(&aim.row()));
    let met = all.iter().filter(|aim| aim.is_met()).count();
    let mut out = String::new();
    write!(out, "{met} of {} are met.\n\n{table}", all.len()).unwrap();
    out
}

/// Lines of at most 120 characters.
pub fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > 120 {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += len;
    }
    out
}
