//! The charts of a pool, and below them its lanes on the same time.

use leptos::prelude::*;
use poolscope_wire::PoolSummary;

use super::{
    detail::{self, Loaded},
    lanes::Lanes,
};
use crate::{
    chart::{
        section::{Answer, ChartSection, History, comparison, use_data},
        series::CHARTS,
        untold::Untold,
    },
    derived::Derived,
    words,
};

impl History for detail::History {
    fn now<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T {
        self.now.with(|loaded| read(loaded.detail().map(|detail| detail as &dyn Answer)))
    }

    fn before<T>(self, read: impl FnOnce(Option<&dyn Answer>) -> T) -> T {
        self.before.with(|loaded| read(loaded.detail().map(|detail| detail as &dyn Answer)))
    }

    fn failures(self) -> [Option<String>; 2] {
        let of_before = self.before.with(|loaded| match loaded {
            Loaded::Failed(failure) => Some(failure.to_string()),
            Loaded::Loading | Loaded::Ready(_) => None,
        });
        [self.trouble.get().map(|failure| failure.to_string()), of_before]
    }
}

/// The name of a pool, with the destination, the service and the instance.
fn whole_name(pool: &PoolSummary) -> String {
    let mut parts =
        vec![words::pool_name(pool), words::destination(pool), pool.service.clone(), pool.instance.clone()];
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    parts.join(" \u{b7} ")
}

/// The charts.
#[component]
pub fn Charts(
    /// Id of the pool.
    id: String,
    /// The history of the pool.
    history: detail::History,
    /// True for several instances together, which have no lanes.
    is_group: Derived<bool>,
) -> impl IntoView {
    // Where a picture or a file of it comes to, nothing else says of which it is.
    let name = history.told(|detail| whole_name(&detail.summary));
    let estimated = history.told(|detail| detail.summary.is_estimated());
    let untold =
        history.told(|detail| Untold { kind: detail.summary.kind, lacks: detail.summary.lacks.clone() });
    let data = use_data(history, &CHARTS, name, estimated, untold);
    let is_reading = Derived::new(move || history.is_reading.get());
    view! {
        <ChartSection data title="Over time".to_owned() is_reading comparison=comparison(history) pool=if is_group.get_untracked() { String::new() } else { id.clone() } />
        {move || (!is_group.get()).then(|| view! { <Lanes id=id.clone() span=data.span cursor=data.cursor /> })}
    }
}
