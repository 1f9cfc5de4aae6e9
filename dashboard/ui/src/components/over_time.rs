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
    },
    derived::Derived,
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
    let data = use_data(figures, charts, name.into(), false.into());
    let is_reading = Derived::new(move || figures.now.with(Loaded::is_loading));
    let late = Derived::new(move || figures.now.with(Loaded::late));
    view! {
        {late_note(live, late)}
        <ChartSection data title is_reading comparison=comparison(figures) pool=String::new() />
    }
}
