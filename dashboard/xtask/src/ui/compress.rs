//! Ready-made `.gz` and `.br` variants: the server sends them as they are, and can afford the slowest setting.

use std::io::Write as _;
use std::thread;

use anyhow::{Result, anyhow};
use flate2::{Compression, write::GzEncoder};

use super::bundle::{Files, comes_later};

const COMPRESSED: [&str; 5] = [".js", ".wasm", ".css", ".svg", ".html"];

/// What a browser has to fetch.
pub(super) struct Sizes {
    /// Each file and the sums, as a table.
    pub(super) table: String,
    /// Bytes of what opening the dashboard fetches, packed by brotli.
    pub(super) first: usize,
}

/// Adds the variants and gives their sizes.
pub(super) fn add_variants(files: &mut Files) -> Result<Sizes> {
    let chosen: Vec<_> = files
        .iter()
        .filter(|(name, _)| COMPRESSED.iter().any(|extension| name.ends_with(extension)))
        .collect();
    let packed = thread::scope(|scope| {
        let jobs: Vec<_> = chosen
            .iter()
            .map(|(name, content)| (*name, content.len(), scope.spawn(|| (gzip(content), brotli(content)))))
            .collect();
        jobs.into_iter()
            .map(|(name, raw, job)| {
                let (gz, br) = job.join().map_err(|_| anyhow!("compressing {name} failed"))?;
                Ok((name.clone(), raw, gz?, br?))
            })
            .collect::<Result<Vec<_>>>()
    })?;

    let mut table = format!("{:<44} {:>9} {:>9} {:>9}\n", "bytes", "raw", "gzip", "brotli");
    let (mut all, mut first) = ([0; 3], [0; 3]);
    let (later, opening): (Vec<_>, Vec<_>) = packed.into_iter().partition(|(name, ..)| comes_later(name));
    let of_first = opening.len();
    for (place, (name, raw, gz, br)) in opening.into_iter().chain(later).enumerate() {
        let sizes = [raw, gz.len(), br.len()];
        table += &row(&name, sizes);
        all = std::array::from_fn(|i| all[i] + sizes[i]);
        if place + 1 == of_first {
            first = all;
            table += &row("first download", first);
        }
        files.insert(format!("{name}.gz"), gz);
        files.insert(format!("{name}.br"), br);
    }
    table += row("everything", all).trim_end();
    Ok(Sizes { table, first: first[2] })
}

fn row(name: &str, [raw, gz, br]: [usize; 3]) -> String {
    format!("{name:<44} {raw:>9} {gz:>9} {br:>9}\n")
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    // Quality 11 of 11; a window of 4 MB, the largest that a browser has to accept for less memory than the maximum.
    brotli::CompressorWriter::new(&mut packed, 64 * 1024, 11, 22).write_all(content)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn variants_unpack_to_what_went_in() {
        let text = "poolscope ".repeat(1000).into_bytes();
        let mut files = Files::from([("a.js".to_owned(), text.clone()), ("b.png".to_owned(), vec![1])]);
        files.insert("part-c.wasm".to_owned(), vec![0; 9]);
        let sizes = add_variants(&mut files).unwrap();
        let names =
            ["a.js", "a.js.br", "a.js.gz", "b.png", "part-c.wasm", "part-c.wasm.br", "part-c.wasm.gz"];
        assert_eq!(files.keys().collect::<Vec<_>>(), names);
        assert_eq!(sizes.first, files["a.js.br"].len());
        let lines: Vec<_> = sizes.table.lines().map(|line| line.split("  ").next().unwrap()).collect();
        assert_eq!(lines, ["bytes", "a.js", "first download", "part-c.wasm", "everything"]);

        let mut from_gzip = Vec::new();
        flate2::read::GzDecoder::new(&files["a.js.gz"][..]).read_to_end(&mut from_gzip).unwrap();
        let mut from_brotli = Vec::new();
        brotli::Decompressor::new(&files["a.js.br"][..], 4096).read_to_end(&mut from_brotli).unwrap();
        assert!(from_gzip == text && from_brotli == text);
    }
}
