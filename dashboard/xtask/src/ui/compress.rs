//! Ready-made `.gz` and `.br` variants: the server sends them as they are, and can afford the slowest setting.

use std::io::Write as _;
use std::thread;

use anyhow::{Result, anyhow};
use flate2::{Compression, write::GzEncoder};

use super::bundle::Files;

const COMPRESSED: [&str; 5] = [".js", ".wasm", ".css", ".svg", ".html"];

/// Adds the variants and gives a table of what a browser has to fetch.
pub(super) fn add_variants(files: &mut Files) -> Result<String> {
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
    let mut total = [0; 3];
    for (name, raw, gz, br) in packed {
        let sizes = [raw, gz.len(), br.len()];
        table += &row(&name, sizes);
        total = std::array::from_fn(|i| total[i] + sizes[i]);
        files.insert(format!("{name}.gz"), gz);
        files.insert(format!("{name}.br"), br);
    }
    table += row("total download", total).trim_end();
    Ok(table)
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
        let table = add_variants(&mut files).unwrap();
        assert!(table.contains("a.js") && table.contains("total download"), "{table}");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["a.js", "a.js.br", "a.js.gz", "b.png"]);

        let mut from_gzip = Vec::new();
        flate2::read::GzDecoder::new(&files["a.js.gz"][..]).read_to_end(&mut from_gzip).unwrap();
        let mut from_brotli = Vec::new();
        brotli::Decompressor::new(&files["a.js.br"][..], 4096).read_to_end(&mut from_brotli).unwrap();
        assert!(from_gzip == text && from_brotli == text);
    }
}
