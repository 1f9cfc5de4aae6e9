//! One instance: who it is, what it sends and lacks, and when it was heard.

use leptos::prelude::*;
use poolscope_wire::{Instance, Severity};

use super::{Known, say};
use crate::{
    components::{shape::SeverityShape, stretch::Stretch},
    derived::Derived,
    format,
    navigation::Navigation,
    route::Route,
    state::{filter::instance_choice, fleet::warnings_of, live::Live},
    time::range::Span,
};

/// See the module.
#[component]
pub fn Row(
    /// Who sends.
    known: Known,
    /// Name of its service.
    service: String,
    /// Its id.
    id: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let instance = {
        let (service, id) = (service.clone(), id.clone());
        Derived::after(move |before: Option<&Instance>| {
            let found = known.with(|all| {
                let of_service = all.iter().find(|one| one.name == service)?;
                of_service.instances.iter().find(|one| one.id == id).cloned()
            });
            found.or_else(|| before.cloned()).unwrap_or_default()
        })
    };
    let text = move |read: fn(&Instance) -> String| {
        let text = Derived::new(move || instance.with(read));
        move || text.get()
    };
    let moment = move |read: fn(&Instance) -> u64| Derived::new(move || instance.with(read));
    let (first, last) = (moment(|one| one.first_seen_ms), moment(|one| one.last_seen_ms));
    let gone = Derived::new(move || instance.with(|one| one.vanished));
    let lost = Derived::new(move || instance.with(say::lost));
    let clock = Derived::new(move || instance.with(|one| say::clock(one.clock_offset_ms)));
    let label = instance_choice(&id).to_owned();
    let navigation = expect_context::<Navigation>();
    let href = {
        let of_it = [("service", service.clone()), ("instance", label.clone())];
        move || navigation.link_to(&Route::Overview.path(), &of_it)
    };
    // The worst of what this instance has, and how much of it there is; what it lost at last is among that.
    let worst = Derived::new(move || {
        live.with_warnings(|store| {
            let all = warnings_of(store, &service, instance_choice(&id));
            let count = all.iter().filter(|one| one.severity > Severity::Ok).count() as u64;
            (all.first().map(|one| one.severity).unwrap_or_default(), count)
        })
    });
    let severity = Derived::new(move || worst.with(|(severity, _)| *severity));
    let heard = Derived::new(move || Span { from_ms: first.get(), to_ms: last.get() });
    view! {
        <tr data-testid="instance-row" data-vanished=move || if gone.get() { "yes" } else { "no" } class:is-stale=move || gone.get()>
            <th scope="row" data-label="instance">
                <SeverityShape severity />
                " "
                <a href=href class="mono" dir="auto" data-stop>{label}</a>
                <span class="under" dir="auto">{text(say::made_of)}</span>
                {move || {
                    let count = worst.with(|(_, count)| *count);
                    (count > 0).then(|| view! { <span class="under">{format::counted(count, "warning", "warnings")}</span> })
                }}
            </th>
            <td data-label="sends">{text(say::sends)}
                {move || lost.with(|lost| (!lost.is_empty()).then(|| view! { <span class="under is-warn" data-testid="dropped">{lost.clone()}</span> }))}
            </td>
            <td data-label="lacks" class="soft">{text(say::lacks)}</td>
            <td data-label="reports">{text(say::reports)}
                {move || clock.get().map(|text| view! { <span class="under is-warn">{text}</span> })}
            </td>
            <td data-label="since" class="soft" title=move || format::exact_time(first.get())>{move || format::ago(live.now_ms(), first.get())}</td>
            <td data-label="last heard" title=move || format::exact_time(last.get()) class:is-warn=move || gone.get()>
                {move || format::ago(live.now_ms(), last.get())}
                {move || gone.get().then(|| view! { <span class="under is-warn">"vanished"</span> })}
            </td>
            <td class="heard" data-label="heard in this time"><Stretch of=heard /></td>
        </tr>
    }
}
