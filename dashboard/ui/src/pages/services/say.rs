//! What there is to say of an instance. Pure.

use poolscope_wire::Instance;

use crate::{format, words};

/// A clock that is off by less is on time: a report takes a while.
const CLOCK_SLACK_MS: u64 = 2_000;

/// What an instance is called.
#[must_use]
pub fn named(id: &str) -> String {
    if id.is_empty() { "(it names no instance)".to_owned() } else { id.to_owned() }
}

/// Language and version.
#[must_use]
pub fn made_of(instance: &Instance) -> String {
    let version =
        if instance.version.is_empty() { String::new() } else { format!("version {}", instance.version) };
    let parts = [instance.language.clone(), version];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" \u{b7} ")
}

/// What it sends, as far as it has sent any.
#[must_use]
pub fn sends(instance: &Instance) -> String {
    let parts = [
        (instance.pools, "pool", "pools"),
        (instance.breakers, "breaker", "breakers"),
        (instance.protection, "other protection", "others that protect"),
        (instance.sessions, "kind of sessions", "kinds of sessions"),
        (instance.spans, "span", "spans"),
        (instance.events, "event", "events"),
    ];
    let told = parts.into_iter().filter(|(count, ..)| *count > 0);
    let told: Vec<String> = told.map(|(count, one, many)| format::counted(count, one, many)).collect();
    if told.is_empty() { "nothing that is shown here".to_owned() } else { told.join(", ") }
}

/// What it does not send, and what its pools do not tell.
#[must_use]
pub fn lacks(instance: &Instance) -> String {
    let whole = [(instance.pools, "pools"), (instance.spans, "traces"), (instance.events, "events")];
    let mut parts: Vec<String> =
        whole.into_iter().filter(|(count, _)| *count == 0).map(|(_, what)| what.to_owned()).collect();
    parts.extend(instance.lacks.iter().map(|lack| words::lack_name(*lack).to_owned()));
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// What was lost on the way here.
#[must_use]
pub fn lost(instance: &Instance) -> String {
    let parts: Vec<String> = instance
        .dropped
        .iter()
        .map(|(signal, count)| format!("{} {signal}", format::count(*count)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("lost before they came here: {}", parts.join(", ")) }
}

/// How often it reports.
#[must_use]
pub fn reports(instance: &Instance) -> String {
    match instance.interval_ms {
        Some(interval) => format!("every {}", format::duration(interval as f64 / 1e3)),
        None => "not known yet".to_owned(),
    }
}

/// By how much its clock is off, if that is worth a word.
#[must_use]
pub fn clock(offset_ms: Option<i64>) -> Option<String> {
    let offset = offset_ms.filter(|offset| offset.unsigned_abs() >= CLOCK_SLACK_MS)?;
    let by = format::duration(offset.unsigned_abs() as f64 / 1e3);
    Some(if offset > 0 {
        format!("its clock is {by} ahead")
    } else {
        format!("its clock is {by} behind, or its reports are late")
    })
}

#[cfg(test)]
mod tests {
    use poolscope_wire::Lack;

    use super::*;

    #[test]
    fn an_instance_says_what_it_sends_lacks_and_lost() {
        let instance = Instance {
            language: "rust".to_owned(),
            version: "1.2".to_owned(),
            pools: 1,
            events: 3,
            lacks: vec![Lack::Reuse],
            dropped: vec![("spans".to_owned(), 7)],
            interval_ms: Some(1_000),
            ..Instance::default()
        };
        assert_eq!(made_of(&instance), "rust \u{b7} version 1.2");
        assert_eq!(sends(&instance), "1 pool, 3 events");
        assert_eq!(lacks(&instance), "traces, reuse");
        assert_eq!(lost(&instance), "lost before they came here: 7 spans");
        assert_eq!(reports(&instance), "every 1 s");
        let nothing = Instance::default();
        assert_eq!((sends(&nothing).as_str(), lost(&nothing).as_str()), ("nothing that is shown here", ""));
        assert_eq!(reports(&nothing), "not known yet");
    }

    #[test]
    fn a_clock_is_told_when_it_is_off() {
        assert_eq!(clock(None), None);
        assert_eq!(clock(Some(-900)), None);
        assert_eq!(clock(Some(90_000)).as_deref(), Some("its clock is 1 min 30 s ahead"));
        assert_eq!(
            clock(Some(-2_500)).as_deref(),
            Some("its clock is 2.5 s behind, or its reports are late")
        );
    }
}
