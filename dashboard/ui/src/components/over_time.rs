//! Charts of what is neither a pool nor a breaker, over the time that is looked at.

use leptos::prelude::*;

use super::{
    figures::use_figures,
    loaded::{Loaded, late_note},
};
use crate::{
    chart::{
        section::{ChartSection, comparison, use_data},
        series::Chart,
        untold::Untold,
    },
    derived::Derived,
    format,
    state::live::Live,
    time::Time,
};

/// See the module.
#[component]
pub fn OverTime(
    /// Address of its history.
    path: String,
    /// A part of the query, with a `&` behind it.
    of: &'static str,
    /// Its charts.
    charts: &'static [Chart],
    /// What they are of.
    name: String,
    /// What stands above them.
    title: String,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let figures = use_figures(live, expect_context::<Time>(), path, of);
    let data = use_data(figures, charts, name.into(), false.into(), Untold::default().into());
    let is_reading = Derived::new(move || figures.now.with(Loaded::is_loading));
    let late = Derived::new(move || figures.now.with(Loaded::late));
    let left_out =
        Derived::new(move || figures.now.with(|loaded| loaded.ready().map_or(0, |history| history.left_out)));
    let part = move || {
        part_of(figures.now.with(|loaded| loaded.ready().map_or(0, |one| one.instances)), left_out.get())
    };
    view! {
        {late_note(live, late)}
        {move || part().map(|text| view! { <p class="soft" data-testid="left-out">{text}</p> })}
        <ChartSection data title is_reading comparison=comparison(figures) pool=String::new() />
    }
}

/// Of how many instances the charts are, if not of all.
fn part_of(instances: u64, left_out: u64) -> Option<String> {
    (left_out > 0).then(|| {
        let shown = format::counted(instances, "instance", "instances");
        let more = format::count(left_out);
        format!("These charts are of {shown}: {more} more are not in them, those that reported longest ago.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said() {
        assert_eq!(part_of(3, 0), None);
        let said = part_of(100, 1_030).unwrap();
        assert!(said.starts_with("These charts are of 100 instances: 1,030 more are not in them"), "{said}");
    }
}
