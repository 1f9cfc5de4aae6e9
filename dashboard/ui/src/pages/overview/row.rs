//! One pool as a row.

use std::cell::Cell;

use leptos::prelude::*;

use super::{
    past::{put_past, use_past},
    view::{GroupView, PoolView},
};
use crate::{
    components::{
        bar::percent_of,
        cells::{self, Place, Put},
        shape,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    time::Time,
    words,
};

/// Why a group has no percentiles.
pub const UNEQUAL: &str =
    "Its instances count times in buckets of unequal bounds, so that only each by itself has percentiles.";

const HTML: &str = r#"<span class="sev"><svg data-cell="shape" viewBox="0 0 16 16" width="16" height="16" role="img"><path data-cell="shape-path"></path></svg></span>
<div class="cell name">
<span data-cell="head">
<button type="button" class="apart" data-cell="apart" data-testid="pool-group" title="Take apart by instance" hidden><span data-cell="apart-sign" aria-hidden="true"></span><span class="sr">Take apart by instance: <span data-cell="apart-name"></span></span></button>
<a data-cell="name" data-stop data-testid="pool-name" dir="auto"><span class="head" data-cell="name-head"></span><span data-cell="name-tail"></span></a>
<span class="soft" data-cell="instances" data-testid="pool-instances" hidden></span>
</span>
<span class="soft clip" data-cell="where" dir="auto"><span class="destination"><span class="head" data-cell="destination"></span><span data-cell="port"></span></span><span class="origin" data-cell="origin"></span></span>
</div>
<div class="cell say"><p data-cell="sentence" data-testid="pool-sentence"></p><span class="under is-warn" data-cell="silent" hidden></span></div>
<div class="cell conns" data-cell="conns">
<span class="bar states" aria-hidden="true"><i class="fill c-active" data-cell="bar-active"></i><i class="fill c-idle" data-cell="bar-idle"></i><i class="fill c-upgraded" data-cell="bar-upgraded"></i></span>
<span class="under"><b data-cell="active" data-testid="pool-active"></b> in use · <b data-cell="idle" data-testid="pool-idle"></b> idle<span data-cell="upgraded"></span></span>
</div>
<div class="cell wait number" data-cell="waiting"><span class="key">waiting</span><span data-cell="pending" data-testid="pool-pending"></span></div>
<div class="cell p number" data-cell="times"><span class="key">wait p50 / p99</span><span data-cell="p50" data-testid="pool-wait-p50"></span><span class="under"><span data-cell="p99" data-testid="pool-wait-p99"></span></span></div>
<div class="cell sparkcell"><span class="spark" data-cell="spark"><svg data-cell="spark-picture" viewBox="0 0 120 28" preserveAspectRatio="none" role="img"><path class="area c-active" data-cell="spark-active"></path><path class="line c-warn" data-cell="spark-waiting"></path></svg></span></div>
<div class="cell reuse number"><span class="key">reuse</span><span data-cell="reuse" data-testid="pool-reuse"></span></div>
<div class="cell rate number"><span class="key">req/s</span><span data-cell="requests" data-testid="pool-requests"></span><span class="under is-bad" data-cell="errors" hidden></span></div>
<div class="cell breaker">
<a data-cell="breaker" hidden><span data-cell="badge"><svg data-cell="switch" viewBox="0 0 22 12" width="22" height="12" aria-hidden="true"><path d="M0 8H5M17 8H22"></path><path data-cell="arm"></path><circle cx="5" cy="8" r="1.6"></circle><circle cx="17" cy="8" r="1.6"></circle></svg><span data-cell="state"></span></span></a>
<span class="under" data-cell="breakers" data-testid="pool-breakers" hidden></span>
</div>"#;

/// A row as it is now.
struct Row {
    view: PoolView,
    /// What it is called here.
    name: String,
    href: String,
    /// Of its breaker.
    breaker_href: String,
    /// How long it has been silent, if it is.
    silent: String,
    group: Option<GroupView>,
    /// True if the group is taken apart.
    is_open: bool,
    /// True if it is one of a group that is taken apart.
    is_member: bool,
}

/// One pool, by its id; `by_instance` if it has the name of its instance. The sparklines of all rows end at the same moment.
/// A row that is not among those in view is written once, and again when it comes into view.
pub fn row(id: String, by_instance: bool, spark_end: Derived<u64>, in_view: Derived<Vec<String>>) -> AnyView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let time = expect_context::<Time>();
    let past = use_past(live, time, id.clone());
    let (route, own_id) = (Route::Pool(id.clone()), id.clone());
    let read = move || {
        let end_ms = spark_end.get();
        let is_still = time.fixed().is_some();
        let mut view = live.with_pool(&id, |entry| PoolView::new(entry, end_ms))?;
        past.with(|past| {
            if is_still || past.is_some() {
                put_past(&mut view, past, is_still);
            }
        });
        let opened = navigation.query("open");
        let mut opened = opened.split(',').filter(|one| !one.is_empty());
        // A group is told as a pool is, so that this follows it too.
        let (group, is_member) = live.peek(|store| {
            let is_mine =
                |group: &str| store.groups.get(group).is_some_and(|one| one.group.members.contains(&id));
            (store.groups.get(&id).map(|one| GroupView::new(&one.group)), opened.clone().any(is_mine))
        });
        let of_member = by_instance || is_member;
        let breaker = live.peek(|store| store.guard_of(&id).cloned());
        Some(Row {
            name: if of_member && !view.instance.is_empty() { &view.instance } else { &view.name }.clone(),
            href: navigation.link(&route),
            breaker_href: navigation.link(&Route::Breakers(breaker)),
            silent: if view.stale {
                format!("last reported {}", format::ago(live.now_ms(), view.last_seen_ms))
            } else {
                String::new()
            },
            group,
            is_open: opened.any(|one| one == id),
            is_member,
            view,
        })
    };
    let is_seen = Derived::new({
        let id = own_id.clone();
        move || in_view.with(|ids| ids.contains(&id))
    });
    let is_written = Cell::new(false);
    // A pool that is gone keeps its last words until its row is gone.
    cells::row(HTML, move |put| {
        if (is_seen.get() || !is_written.get())
            && let Some(row) = read()
        {
            is_written.set(true);
            row.put(&own_id, put);
        }
    })
}

impl Row {
    /// Writes the row. All that a sender may have chosen is text or the value of an attribute, never markup.
    fn put(&self, id: &str, put: Put<'_>) {
        use Place::{Attribute, Text};
        let view = &self.view;
        let key = words::severity_key(view.severity);
        let stale = if view.stale { " is-stale" } else { "" };
        let member = if self.is_member { " is-member" } else { "" };
        let calmer = if view.recovering { " is-recovering" } else { "" };
        put("", Attribute("class"), &format!("pool v-{key}{stale}{calmer}{member}"));
        put("", Attribute("data-testid"), "pool-row");
        put("", Attribute("data-pool-id"), id);
        put("", Attribute("data-severity"), key);
        put("shape", Attribute("class"), &format!("shape s-{key}"));
        put("shape", Attribute("aria-label"), words::severity(view.severity));
        put("shape-path", Attribute("d"), shape::outline(view.severity));
        self.put_name(put);
        put("sentence", Text, &view.sentence);
        put("sentence", Attribute("title"), &view.sentence);
        put_shown("silent", &self.silent, put);
        self.put_connections(put);
        self.put_requests(put);
        self.put_breaker(put);
    }

    /// Writes what it is called, where it leads and whose it is.
    fn put_name(&self, put: Put<'_>) {
        use Place::{Attribute, Shown, Text};
        let Self { view, name, .. } = self;
        let group = self.group.as_ref();
        put("head", Attribute("class"), if group.is_some() { "grouped" } else { "" });
        put("apart", Shown, if group.is_some() { "apart" } else { "" });
        put("apart", Attribute("aria-expanded"), if self.is_open { "true" } else { "false" });
        put("apart-sign", Text, if self.is_open { "\u{2212}" } else { "+" });
        put("apart-name", Text, name);
        put("name", Attribute("href"), &self.href);
        put("name", Attribute("title"), name);
        put("name", Attribute("aria-label"), name);
        let (head, tail) = split_port(name);
        put("name-head", Text, head);
        put("name-tail", Text, tail);
        put_shown("instances", group.map_or("", |group| &group.instances), put);
        put("where", Attribute("title"), format!("{} {}", view.destination, view.origin).trim());
        let (host, port) = split_port(&view.destination);
        put("destination", Text, host);
        put("port", Text, port);
        put("origin", Text, &view.origin);
    }

    /// Writes its connections and who waits for one.
    fn put_connections(&self, put: Put<'_>) {
        use Place::{Attribute, Text, Width};
        let view = &self.view;
        let estimated = "Closes can't be seen here: what is open and idle is estimated";
        put("conns", Attribute("title"), if view.tilde.is_empty() { "" } else { estimated });
        for (cell, share) in ["bar-active", "bar-idle", "bar-upgraded"].into_iter().zip(view.shares) {
            put(cell, Width, &percent_of(share));
        }
        put("active", Text, &view.active);
        put("idle", Text, &view.idle);
        let upgraded = match view.upgraded {
            0 => String::new(),
            upgraded => format!(" \u{b7} {upgraded} upgraded"),
        };
        put("upgraded", Text, &upgraded);
        let waits = if view.is_waiting { "cell wait number is-warn" } else { "cell wait number" };
        put("waiting", Attribute("class"), waits);
        put("pending", Text, &view.pending);
    }

    /// Writes how long requests wait, how it was lately, and what requests there are.
    fn put_requests(&self, put: Put<'_>) {
        use Place::{Attribute, Text};
        let view = &self.view;
        let is_unequal = self.group.as_ref().is_some_and(|group| group.unequal);
        put("times", Attribute("title"), if is_unequal { UNEQUAL } else { &view.times });
        put("p50", Text, &view.wait_p50);
        put("p99", Text, &view.wait_p99);
        put("spark", Attribute("title"), view.spark.about());
        put("spark-picture", Attribute("aria-label"), view.spark.about());
        put("spark-active", Attribute("d"), view.spark.active());
        put("spark-waiting", Attribute("d"), view.spark.waiting());
        put("reuse", Text, &view.reuse);
        put("requests", Text, &view.requests);
        let errors = view.errors.as_ref().map(|errors| format!("{errors} err/s"));
        put_shown("errors", &errors.unwrap_or_default(), put);
    }

    /// Writes the state of its breaker, or how many of a group's are in which.
    fn put_breaker(&self, put: Put<'_>) {
        use Place::{Attribute, Shown, Text};
        let state = self.view.breaker.as_ref().map(|(_, state)| *state);
        let key = state.map_or("", words::breaker_key);
        put("breaker", Shown, key);
        put("breaker", Attribute("href"), &self.breaker_href);
        put("badge", Attribute("class"), &format!("badge b-{key}"));
        put("badge", Attribute("title"), state.map_or("", words::breaker_meaning));
        put("switch", Attribute("class"), &format!("switch b-{key}"));
        put("arm", Attribute("d"), state.map_or("", shape::arm));
        put("state", Text, state.map_or("", words::breaker_state));
        put_shown("breakers", self.group.as_ref().map_or("", |group| &group.breakers), put);
    }
}

/// A destination before its port, which is shown even where there is no room for all of the host.
fn split_port(name: &str) -> (&str, &str) {
    let place = name.bytes().rposition(|byte| byte == b':').unwrap_or(name.len());
    let (host, port) = name.split_at(place);
    let is_port = (2..=6).contains(&port.len()) && port.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    if is_port { (host, port) } else { (name, "") }
}

/// Writes a text, which is there only if there is something to say.
fn put_shown(cell: &'static str, text: &str, put: Put<'_>) {
    put(cell, Place::Shown, text);
    put(cell, Place::Text, text);
}

#[cfg(test)]
mod tests {
    use poolscope_wire::{BreakerState, PoolGroup};

    use super::*;
    use crate::{components::cells::written, state::store::PoolEntry};

    fn row() -> Row {
        Row {
            view: PoolView::new(&PoolEntry::default(), 0),
            name: "pay".to_owned(),
            href: "/pools/a".to_owned(),
            breaker_href: "/breakers".to_owned(),
            silent: String::new(),
            group: None,
            is_open: false,
            is_member: false,
        }
    }

    fn said(row: &Row, cell: &str, place: Place) -> String {
        let all = written(HTML, |put| row.put("a", put));
        all.into_iter().find(|one| (one.0, one.1) == (cell, place)).map(|one| one.2).unwrap()
    }

    #[test]
    fn every_cell_is_there_and_what_is_written_does_not_depend_on_the_pool() {
        let mut other = row();
        other.group = Some(GroupView::new(&PoolGroup::default()));
        other.view.breaker = Some(("b".to_owned(), BreakerState::Open));
        (other.view.stale, other.is_member, other.silent) = (true, true, "last reported 3 s ago".to_owned());
        let places = |row: &Row| -> Vec<_> {
            written(HTML, |put| row.put("a", put)).into_iter().map(|(cell, place, _)| (cell, place)).collect()
        };
        assert_eq!(places(&row()), places(&other));
        assert_eq!(said(&other, "", Place::Attribute("class")), "pool v-ok is-stale is-member");
        assert_eq!(said(&other, "state", Place::Text), "open");
    }

    #[test]
    fn what_there_is_nothing_to_say_of_is_not_there() {
        let alone = row();
        for cell in ["apart", "instances", "silent", "errors", "breaker", "breakers"] {
            assert_eq!(said(&alone, cell, Place::Shown), "", "{cell}");
        }
    }

    #[test]
    fn a_port_is_told_apart_from_its_host_and_both_are_the_name() {
        assert_eq!(split_port("https://pay.example:443"), ("https://pay.example", ":443"));
        assert_eq!(split_port("http://[::1]:80"), ("http://[::1]", ":80"));
        for whole in ["http://[::1]", "orders", "", "a:", "a:1b", "h:123456", "\u{540d}\u{524d}"] {
            assert_eq!(split_port(whole), (whole, ""));
        }
        let mut pool = row();
        pool.name = "https://pay.example:443".to_owned();
        assert_eq!(said(&pool, "name", Place::Attribute("aria-label")), pool.name);
        assert_eq!(said(&pool, "name-tail", Place::Text), ":443");
    }

    #[test]
    fn names_are_text() {
        let mut hostile = row();
        hostile.name = "<img src=x onerror=alert(1)>".to_owned();
        assert_eq!(said(&hostile, "name-head", Place::Text), hostile.name);
        assert!(!HTML.contains("onerror"));
    }
}
