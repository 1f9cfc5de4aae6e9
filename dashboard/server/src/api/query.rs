//! The parameters of a path. What can't be meant is refused, with its name, its value and what is taken: a question that
//! is answered otherwise than it was asked looks like an answer to it.

use std::ops::RangeInclusive;

use axum::extract::{RawQuery, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::ApiFailure;
use crate::words::cut;

/// Nobody types a longer text, and it is looked for in every text of everything.
const MAX_TEXT: usize = 200;
/// Bytes of a wrong value that are told.
const MAX_TOLD: usize = 60;
/// Any number.
pub(super) const ANY: RangeInclusive<u64> = 0..=u64::MAX;
/// Any number but none at all.
pub(super) const SOME: RangeInclusive<u64> = 1..=u64::MAX;
/// Digits of 64 bits.
const AN_ID: &str = "an id, 16 hexadecimal digits";

/// What was given, and what was asked for of it.
#[derive(Debug)]
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
}

/// Reads the parameters of a path; those that nobody asks for are refused.
pub(super) fn read<T>(
    RawQuery(query): RawQuery,
    take: impl FnOnce(&mut Parameters) -> Result<T, ApiFailure>,
) -> Result<T, ApiFailure> {
    let query = query.unwrap_or_default();
    let given = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut parameters = Parameters { given, known: Vec::new() };
    let taken = take(&mut parameters)?;
    parameters.nothing_else()?;
    Ok(taken)
}

/// Refuses every parameter, for the paths that take none.
pub(super) async fn none(query: RawQuery, request: Request, next: Next) -> Response {
    match read(query, |_| Ok(())) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

impl Parameters {
    /// The value of a parameter. An empty one is none, as forms send it.
    fn value(&mut self, name: &'static str) -> Option<&str> {
        self.known.push(name);
        let (_, value) = self.given.iter().find(|(given, value)| given == name && !value.is_empty())?;
        Some(value)
    }

    /// What a parameter is read as.
    fn read<T>(
        &mut self,
        name: &'static str,
        taken: impl FnOnce() -> String,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiFailure> {
        let Some(value) = self.value(name) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(bad(format!("{name} is `{}`; it must be {}", told(value), taken()))),
        }
    }

    /// A whole number.
    pub(super) fn number(
        &mut self,
        name: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ApiFailure> {
        let taken = || match (*allowed.start(), *allowed.end()) {
            (0, u64::MAX) => "a whole number".to_owned(),
            (least, u64::MAX) => format!("a whole number of at least {least}"),
            (least, most) => format!("a whole number from {least} to {most}"),
        };
        self.read(name, taken, |text| text.parse().ok().filter(|number| allowed.contains(number)))
    }

    /// A whole number that counts what is in memory.
    pub(super) fn count(
        &mut self,
        name: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Result<Option<usize>, ApiFailure> {
        Ok(self.number(name, allowed)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
    }

    /// A moment, in Unix milliseconds.
    pub(super) fn moment(&mut self, name: &'static str) -> Result<Option<u64>, ApiFailure> {
        self.read(name, || "a moment in Unix milliseconds".to_owned(), |text| text.parse().ok())
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ApiFailure> {
        let taken = || {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            match words.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                _ => words.join(""),
            }
        };
        let find = |text: &str| words.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        self.read(name, taken, find)
    }

    /// The id of something.
    pub(super) fn id<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiFailure> {
        self.read(name, || AN_ID.to_owned(), parse)
    }

    /// Any text.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.value(name).map(str::to_owned)
    }

    /// A text that is searched for.
    pub(super) fn search(&mut self, name: &'static str) -> Result<String, ApiFailure> {
        let text = self.value(name).unwrap_or_default().trim();
        if text.len() > MAX_TEXT {
            return Err(bad(format!("{name} is longer than {MAX_TEXT} bytes; search for less")));
        }
        Ok(text.to_owned())
    }

    /// Sees to it that all was asked for that was given, and given once.
    fn nothing_else(&self) -> Result<(), ApiFailure> {
        for (place, (name, _)) in self.given.iter().enumerate() {
            let shown = told(name);
            if !self.known.contains(&&**name) {
                return Err(bad(if self.known.is_empty() {
                    format!("`{shown}` is no parameter of this path; it takes none")
                } else {
                    format!("`{shown}` is no parameter of this path; it takes {}", self.known.join(", "))
                }));
            }
            if self.given[..place].iter().any(|(before, _)| before == name) {
                return Err(bad(format!("`{shown}` is given twice; give it once")));
            }
        }
        Ok(())
    }
}

fn bad(sentence: String) -> ApiFailure {
    ApiFailure::new(StatusCode::BAD_REQUEST, sentence)
}

/// As much of a text as helps to find it.
pub(super) fn told(text: &str) -> String {
    let shown = cut(text, MAX_TOLD);
    if shown.len() == text.len() { shown.to_owned() } else { format!("{shown}...") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<T>(
        query: &str,
        take: impl FnOnce(&mut Parameters) -> Result<T, ApiFailure>,
    ) -> Result<T, String> {
        read(RawQuery(Some(query.to_owned())), take).map_err(|refused| refused.sentence().to_owned())
    }

    fn limit(query: &str) -> Result<Option<u64>, String> {
        asked(query, |parameters| parameters.number("limit", 1..=500))
    }

    #[test]
    fn what_can_not_be_meant_is_told_with_its_name_its_value_and_what_is_taken() {
        assert_eq!((limit("limit=500"), limit("limit="), limit("")), (Ok(Some(500)), Ok(None), Ok(None)));
        for wrong in ["5000", "0", "-1", "abc", "1.5", " 1"] {
            let told = format!("limit is `{wrong}`; it must be a whole number from 1 to 500");
            assert_eq!(limit(&format!("limit={wrong}")), Err(told));
        }
        let long = "x".repeat(5_000);
        assert!(limit(&format!("limit={long}")).unwrap_err().len() < 200);
        let moment = asked("from_ms=abc", |parameters| parameters.moment("from_ms"));
        assert_eq!(moment.unwrap_err(), "from_ms is `abc`; it must be a moment in Unix milliseconds");
        let words = [("newest", 1), ("oldest", 2), ("slowest", 3)];
        let word = |query| asked(query, |parameters| parameters.word("sort", &words));
        assert_eq!(word("sort=slowest"), Ok(Some(3)));
        assert_eq!(word("sort=q%26q"), Err("sort is `q&q`; it must be newest, oldest or slowest".to_owned()));
        let search = |query: &str| asked(query, |parameters| parameters.search("q"));
        assert_eq!(search("q=+a%20b+"), Ok("a b".to_owned()));
        assert!(search(&format!("q={long}")).unwrap_err().contains("200 bytes"));
    }

    #[test]
    fn what_nobody_asks_for_is_refused_with_what_is_taken() {
        let unknown = "`window` is no parameter of this path; it takes limit";
        assert_eq!(limit("limit=1&window=60"), Err(unknown.to_owned()));
        assert_eq!(limit("limit=1&limit=2"), Err("`limit` is given twice; give it once".to_owned()));
        let none = asked("service=shop", |_| Ok(()));
        assert_eq!(none.unwrap_err(), "`service` is no parameter of this path; it takes none");
    }
}
