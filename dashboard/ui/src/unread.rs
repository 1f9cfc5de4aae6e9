//! What an address asks for that can't be read: it is as if it were not there, and the page says so. Pure.

use crate::{
    route::{Address, Route},
    time::{
        compare::Compare,
        range::{Range, Span, parse_window},
    },
};

/// As much of a value as is told: it may be of any length.
const MAX_TOLD: usize = 24;

/// The words that a page knows for a part of its query; `None` where any text may stand.
#[must_use]
pub fn words(route: &Route, key: &str) -> Option<&'static [&'static str]> {
    Some(match (route, key) {
        (Route::Overview, "sort") => {
            &["worst", "name", "active", "waiting", "wait", "requests", "reuse"] as &[_]
        }
        (Route::Overview | Route::Protection, "severity") => &["bad", "warn", "ok"],
        (Route::Pool(_), "only") => &["active", "leaked", "wasted", "closed"],
        (Route::Pool(_), "lanes") => &["id", "age", "requests", "share"],
        (Route::Breakers(_), "state") => &["open", "half_open", "passing", "silent"],
        (Route::Events, "severity") => &["all", "warn", "bad"],
        (Route::Traces, "status") => &["failed", "slow", "rejected", "all"],
        (Route::Traces, "sort") => &["slowest"],
        (Route::Services, "sort") => &["worst", "vanished", "new", "pools"],
        _ => return None,
    })
}

/// A value of the query of a page; empty if it is not there or can't be read.
#[must_use]
pub fn value<'a>(address: &'a Address, key: &str) -> &'a str {
    let value = address.query.get(key);
    let is_known = words(&address.route, key).is_none_or(|words| words.contains(&value));
    if is_known { value } else { "" }
}

/// Says what of an address can't be read; `None` while all of it can.
#[must_use]
pub fn sentence(address: &Address) -> Option<String> {
    let query = &address.query;
    let text = |key| query.get(key);
    let is_window = |text: &str| text.is_empty() || parse_window(text).is_some();
    let is_pair = text("from").is_empty() && text("to").is_empty() || !Range::of_query(query).is_live();
    let wrong: [(&str, bool); 6] = [
        ("window", !is_window(text("window"))),
        ("from", !is_pair),
        ("to", !is_pair),
        ("compare", !text("compare").is_empty() && Compare::of_key(text("compare")).is_none()),
        ("tz", !["", "utc"].contains(&text("tz"))),
        ("sel", !text("sel").is_empty() && Span::parse(text("sel")).is_none()),
    ];
    let closed = ["sort", "severity", "only", "lanes", "state", "status"];
    let closed = closed.map(|key| (key, value(address, key) != text(key)));
    let wrong = wrong.into_iter().chain(closed).filter(|(key, is_wrong)| *is_wrong && !text(key).is_empty());
    let told: Vec<String> = wrong.map(|(key, _)| format!("{key}={}", short(text(key)))).collect();
    let (last, others) = told.split_last()?;
    let told = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let how = match is_window(text("window")) {
        true => "",
        false => " A window is written as 90s, 15m, 6h or 2d.",
    };
    Some(format!("The address asks for {told}, which can't be read: what is usual is shown.{how}"))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_TOLD) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::order::Sort;

    fn told(path: &str, query: &str) -> Option<String> {
        sentence(&Address::parse(path, query))
    }

    #[test]
    fn what_can_not_be_read_is_said_and_is_as_if_it_were_not_there() {
        let only = told("/pools/a", "?only=qq").unwrap();
        assert_eq!(only, "The address asks for only=qq, which can't be read: what is usual is shown.");
        assert_eq!(value(&Address::parse("/pools/a", "?only=qq"), "only"), "");
        assert_eq!(value(&Address::parse("/pools/a", "?only=leaked"), "only"), "leaked");
        assert!(told("/", "?window=60").unwrap().contains("window=60, which can't be read"));
        assert!(told("/", "?window=60").unwrap().ends_with("6h or 2d."));
        assert!(told("/", "?from=abc&to=5").unwrap().contains("from=abc and to=5"));
        assert!(told("/", "?from=5").unwrap().contains("from=5,"), "an end is missing");
        let many = told("/events", "?severity=x&compare=2h&tz=mars&sel=9").unwrap();
        assert!(many.contains("compare=2h, tz=mars, sel=9 and severity=x"), "{many}");
        let long = told("/", &format!("?window={}", "\u{e9}".repeat(400))).unwrap();
        assert!(long.chars().count() < 200, "{long}");
    }

    #[test]
    fn what_can_be_read_is_not_worth_a_word() {
        for (path, query) in [
            ("/", ""),
            ("/", "?window=90s&compare=1d&tz=utc&sort=wait&severity=bad"),
            ("/", "?from=1000&to=90000&sel=5-9"),
            ("/pools/a", "?only=closed&lanes=age&window=0s"),
            ("/sessions", "?severity=of+another+page&q=window%3D60"),
        ] {
            assert_eq!(told(path, query), None, "{path}{query}");
        }
    }

    #[test]
    fn every_order_of_pools_can_be_read() {
        let known = words(&Route::Overview, "sort").unwrap_or_default();
        assert_eq!(known, Sort::ALL.map(Sort::key));
    }
}
