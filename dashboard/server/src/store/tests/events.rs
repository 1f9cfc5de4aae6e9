//! Events: their bounds, what they say, and how they are found.

use super::*;

#[test]
fn events_are_bounded_in_number_and_length() {
    let limits = Limits { max_events: 6, max_text_bytes: 8, ..Limits::default() };
    let mut store = Store::new(&Config { limits, ..Config::default() });
    for n in 0..5 {
        let record = EventRecord {
            name: "a.kind.that.is.long",
            trace_id: &[0xab; 16],
            dropped_attributes: 2,
            ..transition(Word::Open, T0 + n)
        };
        store.take_events(&[record], T0 + n);
    }
    let events = store.events(EventFilter::default(), 10);
    assert_eq!(
        events.iter().map(|event| event.id).collect::<Vec<_>>(),
        [5, 4, 1],
        "the newest, and the first"
    );
    assert_eq!((&*events[0].kind, events[0].text.len()), ("a.kind.t", 8));
    assert_eq!(events[0].trace_id.as_deref(), Some("abababababababababababababababab"));
    let limits = store.limits();
    let hits = |name: &str| limits.iter().find(|limit| limit.name == name).unwrap().hits;
    assert_eq!((hits("events"), hits("attributes of an event")), (2, 10));
}

#[test]
fn what_an_event_says_garbles_nothing_and_is_found_by_its_kind() {
    let mut store = store();
    let event = |name, body: &'static str, value: &'static str| EventRecord {
        name,
        body: Some(body.into()),
        attributes: vec![("note", value.into())],
        ..transition(Word::Open, T0)
    };
    let leak = event(event::LEAK_SUSPECTED, "", "x");
    let foreign = event("vendor.thing_happened", "evil\u{202e}\u{0} one\n\ttwo", "\u{2066}a\nb");
    store.take_events(&[leak, foreign], T0);
    let found = |text| -> Vec<String> {
        let filter = EventFilter { text, ..EventFilter::default() };
        store.events(filter, 10).into_iter().map(|event| event.kind).collect()
    };
    for shown in ["Leak susp", "leak.suspected", "leak_suspected", "poolscope.leak.suspected"] {
        assert_eq!(found(shown), [event::LEAK_SUSPECTED], "{shown}");
    }
    for shown in ["thing happened", "vendor.thing_happened", "happened"] {
        assert_eq!(found(shown), ["vendor.thing_happened"], "{shown}");
    }
    assert!(found("poolscope").is_empty() && found("leak returned").is_empty());
    let event = store.events(EventFilter::default(), 1).remove(0);
    assert_eq!(event.text, "evil\u{fffd}\u{fffd} one  two");
    assert_eq!(event.attributes, [("note".to_owned(), "\u{fffd}a b".to_owned())]);
}
