//! Events as rows for a file. Pure.

use poolscope_wire::Event;

use crate::{
    export::sheet::{Cell, Sheet},
    words,
};

/// Events as rows for a file.
#[must_use]
pub fn sheet(events: &[Event]) -> Sheet {
    const COLUMNS: [&str; 9] =
        ["time", "kind", "severity", "service", "instance", "pool", "breaker", "text", "trace_id"];
    let row = |event: &Event| {
        let text = |text: &str| Cell::Text(text.to_owned());
        let maybe = |text: &Option<String>| text.clone().map_or(Cell::Missing, Cell::Text);
        vec![
            Cell::Moment(event.at_ms),
            text(&event.kind),
            text(words::severity_key(event.severity)),
            text(&event.service),
            text(&event.instance),
            maybe(&event.pool),
            maybe(&event.breaker),
            text(&event.text),
            maybe(&event.trace_id),
        ]
    };
    let columns = COLUMNS.map(str::to_owned).to_vec();
    Sheet { facts: Vec::new(), columns, rows: events.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_saved_with_all_their_words() {
        let event = Event { at_ms: 1, kind: "k".to_owned(), text: "=danger".to_owned(), ..Event::default() };
        let sheet = sheet(&[event]);
        assert!(sheet.rows.iter().all(|row| row.len() == sheet.columns.len()));
        assert!(sheet.csv().contains(",'=danger,"), "{}", sheet.csv());
    }
}
