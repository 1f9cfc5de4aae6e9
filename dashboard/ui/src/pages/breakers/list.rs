//! The cards of breakers, those of one name on several instances as one.

use leptos::prelude::*;

use super::{card::Card, group::Group, shelf::Shelf};
use crate::{
    components::chunks::{self, chunks},
    derived::Derived,
    state::fleet::BreakerGroup,
};

/// A card for each group, in their order. The one that a link led to is there from the begin.
pub fn list(groups: Derived<Vec<BreakerGroup>>, marked: Option<String>, shelf: Shelf) -> AnyView {
    let keys =
        Derived::new(move || groups.with(|groups| groups.iter().map(BreakerGroup::key).collect::<Vec<_>>()));
    let first = marked.as_ref().and_then(|id| {
        groups.with_untracked(|groups| {
            groups.iter().find(|group| group.ids.contains(id)).map(BreakerGroup::key)
        })
    });
    chunks(keys, chunks::Shape::Cards, first, move |key| {
        let marked = marked.clone();
        let group = Derived::new(move || {
            groups.with(|groups| groups.iter().find(|group| group.key() == key).cloned())
        });
        let alone = Derived::new(move || {
            group.with(|group| {
                group.as_ref().filter(|group| group.ids.len() == 1).map(|group| group.ids[0].clone())
            })
        });
        view! {
            {move || match alone.get() {
                Some(id) => view! { <Card marked=marked.as_deref() == Some(id.as_str()) id shelf /> }.into_any(),
                None => view! { <Group group marked=marked.clone() shelf /> }.into_any(),
            }}
        }
        .into_any()
    })
}
