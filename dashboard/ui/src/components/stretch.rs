//! A time as a bar within the time that is looked at.

use leptos::prelude::*;

use crate::{
    derived::Derived,
    time::{Time, range::Span},
};

/// Width of the drawing, which is stretched to its place.
const WIDTH: f64 = 1_000.0;

/// Left edge and width; however short it is, it is seen. `None` if it is all outside.
fn place(of: Span, view: Span) -> Option<(f64, f64)> {
    if of.to_ms < view.from_ms || of.from_ms > view.to_ms {
        return None;
    }
    let scale = WIDTH / view.width_ms().max(1) as f64;
    let at = |ms: u64| ms.clamp(view.from_ms, view.to_ms).saturating_sub(view.from_ms) as f64 * scale;
    let wide = (at(of.to_ms) - at(of.from_ms)).max(6.0);
    Some((at(of.from_ms).min(WIDTH - wide), wide))
}

/// The bar. What it shows is told in words beside it.
#[component]
pub fn Stretch(
    /// The time.
    of: Derived<Span>,
) -> impl IntoView {
    let time = expect_context::<Time>();
    let place = Derived::new(move || place(of.get(), time.span()).unwrap_or_default());
    view! {
        <svg class="stretch" viewBox=format!("0 0 {WIDTH} 6") preserveAspectRatio="none" aria-hidden="true">
            <rect x=move || place.get().0.to_string() width=move || place.get().1.to_string() height="6" />
        </svg>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_cut_to_the_view_and_seen() {
        let view = Span { from_ms: 1_000, to_ms: 2_000 };
        let at = |from_ms, to_ms| place(Span { from_ms, to_ms }, view);
        assert_eq!(at(0, 1_500), Some((0.0, 500.0)));
        assert_eq!(at(1_500, 9_000), Some((500.0, 500.0)));
        assert_eq!(at(2_000, 2_000), Some((994.0, 6.0)));
        assert_eq!(at(0, 999), None);
        assert_eq!(at(2_001, 3_000), None);
    }
}
