//! A row of a long list that changes every second: elements made at once from HTML, into which one value is written.
//!
//! A view of Leptos has an effect for each text in it, which is what most pages want. A row of the overview has thirty, and
//! forty rows change every second: to find out that a text is as it was costs an effect about as much as the text. Here
//! one effect writes a whole row, and touches only what differs from what was written before.

use leptos::{html::Li, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, NodeList};

/// As what something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The text of the element.
    Text,
    /// The value of an attribute.
    Attribute(&'static str),
    /// The element is there if what is written is not empty.
    Shown,
    /// The width of the element.
    Width,
}

/// Writes into the cell of a name; the row itself has the empty name.
pub type Put<'p> = &'p mut dyn FnMut(&'static str, Place, &str);

/// What writes a row. It puts the same places in the same order each time.
type Write = Box<dyn Fn(Put<'_>)>;

/// A row made of `html`, in which each element that is written has its name as `data-cell`. What `write` says is text and
/// never markup; it runs again when something that it reads changes.
pub fn row(html: &'static str, write: impl Fn(Put<'_>) + 'static) -> AnyView {
    made_of(html, Box::new(write))
}

/// Not generic, so that it is compiled once.
fn made_of(html: &'static str, write: Write) -> AnyView {
    let node = NodeRef::<Li>::new();
    Effect::new(move |cells: Option<Option<Cells>>| {
        let root = node.get()?;
        let mut cells = cells.flatten().unwrap_or_else(|| Cells::of(&root));
        let mut next = 0;
        write(&mut |cell, place, text| {
            cells.put(next, cell, place, text);
            next += 1;
        });
        Some(cells)
    });
    view! { <li node_ref=node inner_html=html></li> }.into_any()
}

/// A row and what is written in it.
struct Cells {
    named: Vec<(String, HtmlElement)>,
    written: Vec<String>,
}

impl Cells {
    fn of(root: &HtmlElement) -> Self {
        let mut named = vec![(String::new(), root.clone())];
        let marked = root.query_selector_all("[data-cell]").ok();
        let count = marked.as_ref().map_or(0, NodeList::length);
        for index in 0..count {
            // The style of a drawing is set as that of any other element, so all of them may go by this name.
            let element = marked
                .as_ref()
                .and_then(|marked| marked.get(index))
                .map(JsCast::unchecked_into::<HtmlElement>);
            named.extend(
                element.map(|element| (element.get_attribute("data-cell").unwrap_or_default(), element)),
            );
        }
        Self { named, written: Vec::new() }
    }

    fn put(&mut self, index: usize, cell: &str, place: Place, text: &str) {
        match self.written.get_mut(index) {
            Some(before) if before == text => return,
            Some(before) => text.clone_into(before),
            None => self.written.push(text.to_owned()),
        }
        let Some((_, element)) = self.named.iter().find(|(name, _)| name == cell) else { return };
        // Only what is no name of an attribute is refused.
        let _ = match place {
            // The text that is there is changed: another one in its place would be laid out anew.
            Place::Text => {
                match element.first_child() {
                    Some(there) => there.set_node_value(Some(text)),
                    None => element.set_text_content(Some(text)),
                }
                Ok(())
            }
            Place::Attribute(name) => element.set_attribute(name, text),
            Place::Shown => element.toggle_attribute_with_force("hidden", text.is_empty()).map(drop),
            Place::Width => element.style().set_property("width", text),
        };
    }
}

/// What a row writes, and whether each cell that it writes is there once: for tests.
#[cfg(test)]
pub fn written(html: &str, write: impl Fn(Put<'_>)) -> Vec<(&'static str, Place, String)> {
    let mut all = Vec::new();
    write(&mut |cell, place, text| all.push((cell, place, text.to_owned())));
    for (cell, ..) in all.iter().filter(|(cell, ..)| !cell.is_empty()) {
        assert_eq!(html.matches(&format!("data-cell=\"{cell}\"")).count(), 1, "{cell}");
    }
    let mut cells: Vec<_> = all.iter().map(|(cell, ..)| *cell).filter(|cell| !cell.is_empty()).collect();
    cells.sort_unstable();
    cells.dedup();
    assert_eq!(cells.len(), html.matches("data-cell=").count(), "each cell is written");
    all
}
