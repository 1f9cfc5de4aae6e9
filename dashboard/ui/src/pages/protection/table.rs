//! One table: a row for each policy, timeout, limit, probe, resource, server, supervised connection, group of tasks or queue.

use leptos::prelude::*;
use poolscope_wire::{Severity, path};

use super::{
    cells::{Cell, Kind, cells, pool_limit, pool_limit_sentence},
    groups::Group,
};
use crate::{
    chart::figures,
    components::{
        bar::MarkedBar,
        chunks::{Shape, chunks},
        over_time::OverTime,
        shape::SeverityShape,
    },
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::live::Live,
    words,
};

/// The tables of an instance.
#[component]
pub fn Instance(
    /// Every instance of the page, of which this one is found again whenever they change.
    groups: Derived<Vec<Group>>,
    /// Its key.
    key: String,
    /// Id of what is shown over time.
    shown: Derived<String>,
) -> impl IntoView {
    let group = Derived::new(move || {
        groups.with(|groups| groups.iter().find(|group| group.key() == key).cloned().unwrap_or_default())
    });
    let (service, instance) = group.with_untracked(|group| (group.service.clone(), group.instance.clone()));
    let whole = format!("{service} {instance}");
    view! {
        <section class="instance" data-testid="protection-instance">
            <h2 title=whole>
                <span dir="auto">{service}</span>" "
                <span class="mono soft" dir="auto">{instance}</span>
            </h2>
            {Kind::ALL.map(|kind| view! { <TableOf group kind shown /> }).into_iter().collect_view()}
        </section>
    }
}

/// A table of an instance; nothing if it has no rows.
#[component]
fn TableOf(group: Derived<Group>, kind: Kind, shown: Derived<String>) -> impl IntoView {
    let is_there = Derived::new(move || group.with(|group| group.table(kind).is_some()));
    let ids = Derived::new(move || {
        group.with(|group| group.table(kind).map(|table| table.ids.clone()).unwrap_or_default())
    });
    let shape = Shape::Rows(kind.columns().len() + 1);
    let heads =
        move || kind.columns().iter().map(|head| view! { <th scope="col">{*head}</th> }).collect_view();
    let table = move || {
        view! {
            <table class=format!("protection k-{}", kind.key())>
                <caption>{kind.title()}</caption>
                <thead><tr><th scope="col"><span class="sr">"Name and condition"</span></th>{heads()}</tr></thead>
                {chunks(ids, shape, None, move |id| view! { <Row kind id shown /> }.into_any())}
            </table>
        }
        .into_any()
    };
    move || is_there.get().then(table)
}

/// What a row shows.
#[derive(Debug, Clone, PartialEq, Default)]
struct Shown {
    name: String,
    /// What belongs to the name.
    beside: String,
    severity: Severity,
    sentence: String,
    cells: Vec<Cell>,
    /// When it was last reported, if it should have been again.
    quiet_since_ms: Option<u64>,
}

fn read(live: Live, kind: Kind, id: &str) -> Option<Shown> {
    if kind == Kind::PoolLimit {
        return live.with_pool(id, |entry| {
            let pool = &entry.summary;
            let limit = pool.now.limit?;
            let (severity, sentence) = pool_limit_sentence(limit);
            Some(Shown {
                name: words::pool_name(pool),
                beside: words::destination(pool),
                severity,
                sentence,
                cells: pool_limit(limit),
                quiet_since_ms: pool.stale.then_some(pool.last_seen_ms),
            })
        })?;
    }
    let one = live.with_protection(|store| store.protection.get(id).cloned())?;
    Some(Shown {
        cells: cells(&one.name, &one.figures, || live.now_ms()),
        beside: words::guard(&one.figures),
        name: words::protection_name(one.name, kind == Kind::Resource),
        severity: one.health.severity,
        sentence: one.health.sentence,
        quiet_since_ms: one.stale.then_some(one.last_seen_ms),
    })
}

#[component]
fn Row(kind: Kind, id: String, shown: Derived<String>) -> impl IntoView {
    let live = expect_context::<Live>();
    let navigation = expect_context::<Navigation>();
    let link = (kind == Kind::PoolLimit).then(|| Route::Pool(id.clone()));
    let has_history = kind != Kind::PoolLimit;
    let is_shown = Derived::new({
        let id = id.clone();
        move || has_history && shown.with(|shown| *shown == id)
    });
    let toggle = {
        let id = id.clone();
        move |_| navigation.set_query("show", if is_shown.get_untracked() { "none" } else { &id })
    };
    let over_time = {
        let id = id.clone();
        move || {
            let one = live.peek(|store| store.protection.get(&id).cloned())?;
            let charts = figures::protection(&one.figures, &one.name);
            let (path, name) =
                (format!("{}/{id}", path::PROTECTION), format!("{} {}", one.service, one.name));
            let columns = kind.columns().len() + 1;
            Some(view! {
                <tr class="over"><td colspan=columns.to_string()><OverTime path of="" charts name title="Over time".to_owned() /></td></tr>
            })
        }
    };
    let row = Derived::after(move |before: Option<&Shown>| {
        read(live, kind, &id).or_else(|| before.cloned()).unwrap_or_default()
    });
    let text = move |read: fn(&Shown) -> String| move || row.with(read);
    let severity = Derived::new(move || row.with(|row| row.severity));
    let class = move || {
        let stale = if row.with(|row| row.quiet_since_ms.is_some()) { " is-stale" } else { "" };
        format!("v-{}{stale}", words::severity_key(severity.get()))
    };
    let old = move || {
        row.with(|row| row.quiet_since_ms)
            .map(|seen| format!("last reported {}", format::ago(live.now_ms(), seen)))
    };
    let name = move || match &link {
        Some(route) => {
            let route = route.clone();
            view! { <a dir="auto" href=move || navigation.link(&route)>{text(|row| row.name.clone())}</a> }
                .into_any()
        }
        None => view! { <span dir="auto">{text(|row| row.name.clone())}</span> }.into_any(),
    };
    view! {
        <tr class=class tabindex="-1" data-stop data-testid="protection-row" data-kind=kind.key()
            data-name=text(|row| row.name.clone()) data-severity=move || words::severity_key(severity.get())>
            <th scope="row"><div class="what">
                <SeverityShape severity />
                <div>
                    <b title=text(|row| row.name.clone())>{name()}</b>
                    <span class="soft beside" dir="auto">{text(|row| row.beside.clone())}</span>
                    <button type="button" class="quiet" data-testid="protection-over-time" hidden=!has_history on:click=toggle
                        aria-expanded=move || if is_shown.get() { "true" } else { "false" }>
                        {move || if is_shown.get() { "hide charts" } else { "over time" }}
                        <span class="sr">{text(|row| format!(": {}", row.name))}</span>
                    </button>
                    <p class="sentence" dir="auto" data-testid="protection-sentence">{text(|row| row.sentence.clone())}</p>
                    {move || old().map(|text| view! { <p class="is-warn">{text}</p> })}
                </div>
            </div></th>
            {kind.columns().iter().enumerate().map(|(place, head)| view! {
                <td data-label=*head>{move || row.with(|row| row.cells.get(place).cloned()).map(cell)}</td>
            }).collect_view()}
        </tr>
        {move || is_shown.get().then(&over_time)}
    }
}

fn cell(cell: Cell) -> AnyView {
    let Cell { main, under, bar, class } = cell;
    let whole = format!("{main}\n{under}");
    view! {
        {bar.map(|(share, marks, class)| view! { <MarkedBar share marks class /> })}
        <span class=class dir="auto" title=whole>{main}</span>
        <span class="under" dir="auto">{under}</span>
    }
    .into_any()
}
