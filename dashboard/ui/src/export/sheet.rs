//! What is seen as rows, for other programs: CSV and JSON. Pure.

use crate::format;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// It is not known.
    Missing,
    /// A number, in the unit that the column names.
    Number(f64),
    /// A moment in Unix milliseconds.
    Moment(u64),
    /// Text, which may be anybody's.
    Text(String),
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Missing, Self::Number)
    }
}

/// Rows with their heads, and what they are of.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// What the rows are of: names and values.
    pub facts: Vec<(&'static str, String)>,
    /// Heads of the columns, with their units.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// As CSV by RFC 4180. Text that a spreadsheet would take for a formula gets a quote in front.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut csv = String::new();
        push_line(&mut csv, self.columns.iter().map(|column| quoted(&harmless(column))));
        for row in &self.rows {
            push_line(&mut csv, row.iter().map(csv_cell));
        }
        csv
    }

    /// As JSON: the facts, and an object for each row.
    #[must_use]
    pub fn json(&self) -> String {
        let facts = self.facts.iter().map(|(name, value)| pair(name, &json_text(value)));
        let rows: Vec<String> = self.rows.iter().map(|row| self.json_row(row)).collect();
        let rows = pair("rows", &format!("[\n{}\n]", rows.join(",\n")));
        let parts: Vec<String> = facts.chain([rows]).collect();
        format!("{{{}}}\n", parts.join(",\n"))
    }

    fn json_row(&self, row: &[Cell]) -> String {
        let pairs: Vec<String> =
            self.columns.iter().zip(row).map(|(column, cell)| pair(column, &json_cell(cell))).collect();
        format!("{{{}}}", pairs.join(","))
    }
}

fn push_line(csv: &mut String, cells: impl Iterator<Item = String>) {
    for (place, cell) in cells.enumerate() {
        if place > 0 {
            csv.push(',');
        }
        csv.push_str(&cell);
    }
    csv.push_str("\r\n");
}

fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Missing => String::new(),
        Cell::Number(value) => number(*value),
        Cell::Moment(at_ms) => format::iso_time(*at_ms),
        Cell::Text(text) => quoted(&harmless(text)),
    }
}

fn json_cell(cell: &Cell) -> String {
    match cell {
        Cell::Missing => "null".to_owned(),
        Cell::Number(value) => number(*value),
        Cell::Moment(at_ms) => json_text(&format::iso_time(*at_ms)),
        Cell::Text(text) => json_text(text),
    }
}

/// Figures come with the digits of an `f32`, and more of them would be made up.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { (value as f32).to_string() }
}

/// Spreadsheets run what begins like this as a formula, also where white space comes before it.
fn harmless(text: &str) -> String {
    let begins = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r', '\n']);
    if begins { format!("'{text}") } else { text.to_owned() }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{}:{value}", json_text(name))
}

/// A text of JSON.
#[must_use]
pub fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            '\0'..='\u{1f}' => json.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => json.push(letter),
        }
    }
    json.push('"');
    json
}

/// A name for a file of what is named `parts`: letters and digits of any language, and hyphens.
#[must_use]
pub fn file_name(parts: &[String], extension: &str) -> String {
    let mut name = String::from("poolscope");
    for letter in parts.iter().flat_map(|part| "-".chars().chain(part.chars())) {
        if letter.is_alphanumeric() {
            name.push(letter);
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    let name: String = name.trim_end_matches('-').chars().take(160).collect();
    format!("{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rows: Vec<Vec<Cell>>) -> Sheet {
        let columns = ["time", "text", "p99 (s)"].map(str::to_owned).to_vec();
        Sheet { facts: vec![("pool", "a \"b\"".to_owned())], columns, rows }
    }

    fn row(text: &str, value: Option<f64>) -> Vec<Cell> {
        vec![Cell::Moment(1_795_232_652_345), Cell::Text(text.to_owned()), value.into()]
    }

    #[test]
    fn csv_has_heads_units_and_empty_places() {
        let csv =
            sheet(vec![row("fine", Some(f64::from(0.3_f32))), row("b", None), row("c", Some(12.0))]).csv();
        let lines: Vec<_> = csv.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "time,text,p99 (s)",
                "2026-11-21T03:44:12.345Z,fine,0.3",
                "2026-11-21T03:44:12.345Z,b,",
                "2026-11-21T03:44:12.345Z,c,12",
                "",
            ]
        );
    }

    #[test]
    fn text_is_never_a_formula_and_never_breaks_a_line() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\nx"] {
            let csv = sheet(vec![row(text, None)]).csv();
            let cell = csv.split_once("345Z,").unwrap().1.trim_start_matches('"');
            assert!(cell.starts_with('\''), "{text:?} became {cell:?}");
        }
        let csv = sheet(vec![row("a,\"b\"\nc", None)]).csv();
        assert!(csv.ends_with("345Z,\"a,\"\"b\"\"\nc\",\r\n"), "{csv}");
    }

    #[test]
    fn json_can_be_read_again() {
        let json =
            sheet(vec![row("<b>\"\\\u{1}", Some(f64::from(0.1_f32))), row("=1", Some(f64::NAN))]).json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["pool"], "a \"b\"");
        assert_eq!(value["rows"][0]["text"], "<b>\"\\\u{1}");
        assert_eq!(value["rows"][0]["p99 (s)"], 0.1);
        assert_eq!(value["rows"][1]["text"], "=1", "JSON is not opened by a spreadsheet");
        assert_eq!(value["rows"][1]["p99 (s)"], serde_json::Value::Null);
        let none: serde_json::Value = serde_json::from_str(&sheet(Vec::new()).json()).unwrap();
        assert_eq!(none["rows"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn file_names_are_tame() {
        assert_eq!(
            file_name(&["checkout", "https://a.b:1/../x"].map(str::to_owned), "csv"),
            "poolscope-checkout-https-a-b-1-x.csv"
        );
        assert_eq!(file_name(&["", "\u{5e9}"].map(str::to_owned), "png"), "poolscope-\u{5e9}.png");
    }
}
