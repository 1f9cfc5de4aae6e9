//! A choice among names that is kept in the address.

use leptos::prelude::*;

use crate::{derived::Derived, navigation::Navigation};

/// One of several names, or all. It is not shown while there is nothing to choose.
#[component]
pub fn Choice(
    /// Its key in the address.
    key: &'static str,
    /// What is chosen, such as `Service`.
    label: &'static str,
    /// The words for all of them.
    all: &'static str,
    /// What there is to choose; none or one alone is no choice.
    names: Derived<Vec<String>>,
) -> impl IntoView {
    let navigation = expect_context::<Navigation>();
    let chosen = move || navigation.query(key);
    let options = move || {
        let chosen = chosen();
        // No name stands for all.
        let mut names: Vec<String> = names.get().into_iter().filter(|name| !name.is_empty()).collect();
        // One of the address stays to be seen even if nobody of that name sends any more.
        if !chosen.is_empty() && !names.contains(&chosen) {
            names.push(chosen.clone());
        }
        names
            .into_iter()
            .map(|name| view! { <option value=name.clone() prop:selected=name == chosen>{name.clone()}</option> })
            .collect_view()
    };
    view! {
        <label class="service" hidden=move || names.with(Vec::len) < 2 && chosen().is_empty()>
            <span class="sr">{label}</span>
            <select data-testid=key on:change=move |event| navigation.set_query(key, &event_target_value(&event))>
                <option value="">{all}</option>
                {options}
            </select>
        </label>
    }
}
