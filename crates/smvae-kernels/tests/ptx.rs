//! The committed PTX belongs to the sources, as far as that can be seen without nvcc: every module
//! and every kernel is there for every architecture. `compile.sh --check` compares the texts.

use std::collections::BTreeSet;
use std::path::Path;

/// Names of files of this crate's folder that have this extension.
fn files(folder: &str, extension: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let of_kind = paths.filter(|path| path.extension().is_some_and(|e| e == extension));
    of_kind.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

/// The kernels that a source exports.
fn kernels(module: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("cuda/{module}.cu"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let names = text.lines().filter_map(|line| line.strip_prefix("EXPORT(")?.split(')').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_source_is_a_module_and_the_other_way_round() {
    let modules: BTreeSet<String> = smvae_kernels::modules().map(str::to_owned).collect();
    assert_eq!(modules, files("cuda", "cu"));
    for architecture in ["sm_80", "sm_90"] {
        assert_eq!(modules, files(&format!("ptx/{architecture}"), "ptx"), "{architecture}");
    }
}

#[test]
fn the_ptx_of_every_architecture_has_every_kernel_and_no_other() {
    for module in smvae_kernels::modules() {
        for (capability, target) in [((8, 0), ".target sm_80"), ((8, 9), ".target sm_80"), ((9, 0), ".target sm_90")] {
            let text = smvae_kernels::ptx(module, capability).expect("a module of the list");
            assert!(text.contains(target), "{module} for {capability:?} is not {target}");
            let entries = text.lines().filter_map(|line| line.split(".entry ").nth(1)?.split('(').next());
            let entries: BTreeSet<String> = entries.map(|name| name.trim().to_owned()).collect();
            assert_eq!(entries, kernels(module), "{module} for {capability:?}: run compile.sh");
        }
    }
}

#[test]
fn old_gpus_and_unknown_modules_have_none() {
    let check = |module: &str, capability: (u32, u32), want: bool| {
        assert_eq!(smvae_kernels::ptx(module, capability).is_some(), want, "{module} for {capability:?}");
    };
    check("layer_norm", (12, 0), true);
    check("layer_norm", (8, 6), true);
    check("layer_norm", (7, 5), false);
    check("no_such_module", (9, 0), false);
}
