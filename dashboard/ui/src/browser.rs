//! The few things that are asked of the browser itself.

use std::{pin::Pin, time::Duration};

use leptos::{html, prelude::*};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, BlobPropertyBag, CanvasRenderingContext2d, Element, HtmlAnchorElement, HtmlCanvasElement,
    HtmlElement, HtmlImageElement, ResizeObserver, Storage, Url,
};

use crate::derived::effect;

/// Pixels of a picture for each of its units, so that it is sharp where screens are.
const PICTURE_SCALE: f64 = 2.0;

/// The browser's clock in Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Reads a setting that outlives the page.
#[must_use]
pub fn setting(key: &str) -> Option<String> {
    // A browser that forbids storage throws; the page then works without settings.
    read(window().local_storage(), key)
}

/// Writes a setting that outlives the page.
pub fn set_setting(key: &str, value: &str) {
    write(window().local_storage(), key, value);
}

/// Reads a note that outlives a reload, and not the tab.
#[must_use]
pub fn session_note(key: &str) -> Option<String> {
    read(window().session_storage(), key)
}

/// Writes a note that outlives a reload, and not the tab.
pub fn set_session_note(key: &str, value: &str) {
    write(window().session_storage(), key, value);
}

fn read(storage: Result<Option<Storage>, JsValue>, key: &str) -> Option<String> {
    storage.ok().flatten()?.get_item(key).ok().flatten()
}

fn write(storage: Result<Option<Storage>, JsValue>, key: &str, value: &str) {
    if let Ok(Some(storage)) = storage {
        // A full or forbidden storage costs a setting, nothing else.
        drop(storage.set_item(key, value));
    }
}

/// Loads the page anew.
pub fn reload() {
    drop(window().location().reload());
}

/// Sets or removes an attribute of the root element, which style sheets look at.
pub fn set_root_attribute(name: &str, value: Option<&str>) {
    if let Some(root) = document().document_element() {
        drop(match value {
            Some(value) => root.set_attribute(name, value),
            None => root.remove_attribute(name),
        });
    }
}

/// Shows another icon in the tab.
pub fn set_icon(path: &str) {
    if let Ok(Some(link)) = document().query_selector("link[rel=icon]") {
        drop(link.set_attribute("href", path));
    }
}

/// Copies a text; `done` is told whether that worked.
pub fn copy(text: &str, done: impl FnOnce(bool) + 'static) {
    let clipboard = window().navigator().clipboard();
    // Without a secure context there is no clipboard, and the binding would throw.
    if clipboard.is_undefined() {
        done(false);
        return;
    }
    let copied = clipboard.write_text(text);
    spawn(async move { done(JsFuture::from(copied).await.is_ok()) });
}

/// The width of an element in pixels, kept up to date.
pub fn use_width<E>(node: NodeRef<E>) -> ReadSignal<f64>
where
    E: html::ElementType + 'static,
    E::Output: JsCast + Clone + 'static,
{
    let (width, set_width) = signal(0.0);
    effect(move || {
        let Some(element) = node.get() else { return };
        let element: HtmlElement = element.unchecked_into();
        let measured = element.clone();
        on_resize(&element, move || {
            set_width.try_set(f64::from(measured.client_width()));
        });
    });
    width
}

/// Calls now and whenever an element gets another size, for as long as the current owner lives.
pub fn on_resize(element: &Element, call: impl FnMut() + 'static) {
    observe_size(element, Closure::new(call));
}

fn observe_size(element: &Element, call: Closure<dyn FnMut()>) {
    let Ok(observer) = ResizeObserver::new(call.as_ref().unchecked_ref()) else { return };
    observer.observe(element);
    // Both are not `Send`, and there is one thread: dropped with the component that measures.
    let kept = StoredValue::new_local((observer, call));
    on_cleanup(move || {
        kept.try_with_value(|(observer, _)| observer.disconnect());
    });
}

/// Runs a future. In a box, since the machinery that runs one is compiled for each type of future that it is given.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
    leptos::task::spawn_local(future);
}

/// Calls at an interval for as long as the current owner lives.
pub fn use_interval(every: Duration, tick: impl Fn() + 'static) {
    if let Ok(handle) = set_interval_with_handle(tick, every) {
        on_cleanup(move || handle.clear());
    }
}

/// Hands over a text as a file.
pub fn save_text(name: &str, kind: &str, text: &str) {
    let parts = js_sys::Array::of1(&text.into());
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    if let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &options) {
        save(name, &blob);
    }
}

/// Hands over an SVG as a PNG of twice as many pixels. A browser that can't draw it hands over nothing.
pub async fn save_picture(name: &str, svg: &str, width: f64, height: f64) {
    let Ok(image) = HtmlImageElement::new() else { return };
    // The content security policy lets pictures come from here and from such addresses.
    image.set_src(&format!("data:image/svg+xml;charset=utf-8,{}", crate::route::encode(svg)));
    if JsFuture::from(image.decode()).await.is_err() {
        return;
    }
    let Some(canvas) = create::<HtmlCanvasElement>("canvas") else { return };
    canvas.set_width((width * PICTURE_SCALE) as u32);
    canvas.set_height((height * PICTURE_SCALE) as u32);
    let Ok(Some(context)) = canvas.get_context("2d") else { return };
    let context: CanvasRenderingContext2d = context.unchecked_into();
    let (width, height) = (width * PICTURE_SCALE, height * PICTURE_SCALE);
    if context.draw_image_with_html_image_element_and_dw_and_dh(&image, 0.0, 0.0, width, height).is_err() {
        return;
    }
    let name = name.to_owned();
    let done = Closure::once_into_js(move |blob: Option<Blob>| {
        if let Some(blob) = blob {
            save(&name, &blob);
        }
    });
    drop(canvas.to_blob(done.unchecked_ref()));
}

fn save(name: &str, blob: &Blob) {
    let (Ok(address), Some(link)) =
        (Url::create_object_url_with_blob(blob), create::<HtmlAnchorElement>("a"))
    else {
        return;
    };
    link.set_href(&address);
    link.set_download(name);
    link.click();
    // The browser has not read it yet when the click returns.
    set_timeout(move || drop(Url::revoke_object_url(&address)), Duration::from_secs(10));
}

fn create<E: JsCast>(tag: &str) -> Option<E> {
    document().create_element(tag).ok()?.dyn_into().ok()
}

/// The colour that a class gives what it marks, or that a name of the style sheet has, in the theme of this moment.
#[must_use]
pub fn colour(name: &str) -> String {
    let colour = || -> Option<String> {
        let probe = create::<HtmlElement>("i")?;
        let variable = if name.starts_with("c-") { "c" } else { name };
        probe.set_class_name(name);
        probe.style().set_property("color", &format!("var(--{variable})")).ok()?;
        let body = document().body()?;
        body.append_child(&probe).ok()?;
        let style = window().get_computed_style(&probe).ok().flatten();
        let colour = style.and_then(|style| style.get_property_value("color").ok());
        probe.remove();
        colour
    };
    colour().unwrap_or_else(|| "gray".to_owned())
}
