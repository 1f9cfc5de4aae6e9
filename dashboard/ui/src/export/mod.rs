//! What is seen, as files: figures as CSV and JSON, charts as pictures.

pub mod sheet;

use crate::{browser, chart::picture::Picture};

use sheet::{Sheet, file_name};

/// Hands over a file of figures as CSV.
pub fn save_csv(sheet: &Sheet, name: &[String]) {
    browser::save_text(&file_name(name, "csv"), "text/csv;charset=utf-8", &sheet.csv());
}

/// Hands over a file of figures as JSON.
pub fn save_json(sheet: &Sheet, name: &[String]) {
    browser::save_text(&file_name(name, "json"), "application/json", &sheet.json());
}

/// Hands over a picture as PNG.
pub fn save_png(picture: Picture, name: &[String]) {
    let name = file_name(name, "png");
    browser::spawn(async move {
        browser::save_picture(&name, &picture.svg, picture.width, picture.height).await;
    });
}
