//! The menu that hands over what is seen as a file of rows.

use leptos::prelude::*;

use super::menu::menu;
use crate::export::{save_csv, save_json, sheet::Sheet};

/// The menu. `name` is what the file is named after.
pub fn sheet_menu(
    about: &str,
    sheet: impl Fn() -> Sheet + Clone + 'static,
    name: impl Fn() -> Vec<String> + Clone + 'static,
) -> AnyView {
    let (other_sheet, other_name) = (sheet.clone(), name.clone());
    menu(
        "save",
        about,
        vec![
            ("As CSV", "save-csv", Box::new(move || save_csv(&untrack(&sheet), &untrack(&name)))),
            (
                "As JSON",
                "save-json",
                Box::new(move || save_json(&untrack(&other_sheet), &untrack(&other_name))),
            ),
        ],
    )
}
