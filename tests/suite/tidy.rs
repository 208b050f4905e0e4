//! Rules of the house that no compiler checks: see ARCHITECTURE.md.

use crate::golden::root;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sources of the crate `smvae`.
const FACADE: &str = "crates/smvae/src";
/// The longest source file. Longer ones do more than one thing.
const MAX_LINES: usize = 500;
/// The last column of a comment.
const MAX_COMMENT: usize = 100;

#[test]
fn every_source_file_says_what_it_is() {
    for path in sources() {
        let first = read(&path).lines().next().unwrap_or_default().to_owned();
        assert!(first.starts_with("//! "), "{} must begin with a `//!` header, not {first:?}", path.display());
    }
}

#[test]
fn no_source_file_is_long() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, more than {MAX_LINES}", path.display());
    }
}

#[test]
fn comments_end_at_their_column() {
    let mut long = Vec::new();
    for path in sources() {
        let mut in_fence = false;
        for (i, line) in read(&path).lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix("//") else {
                in_fence = false;
                continue;
            };
            let comment = comment.trim_start_matches(['/', '!']).trim_start();
            in_fence ^= comment.starts_with("```");
            // What is laid out in columns cannot be wrapped.
            let wraps = !in_fence && !comment.starts_with('|');
            let length = line.chars().count();
            if wraps && length > MAX_COMMENT {
                long.push(format!("{}:{}: {length} columns", path.display(), i + 1));
            }
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn unsafe_stands_where_memcheck_knows_it() {
    let script = read(&root().join("scripts/memcheck.sh"));
    let known = script.lines().filter_map(|line| line.strip_prefix("known=\""));
    let words = known.flat_map(|paths| paths.trim_end_matches('"').split(' '));
    let known: BTreeSet<&str> = words.filter(|word| *word != "$known").collect();
    let is_unsafe = |text: &str| ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|code| text.contains(code));
    let paths: Vec<PathBuf> = sources().into_iter().filter(|path| is_unsafe(&read(path))).collect();
    let names = paths.iter().map(|path| path.strip_prefix(root()).expect("a source of ours").to_str().expect("a name"));
    let found: BTreeSet<&str> = names.filter(|name| name.starts_with("crates/") && name.contains("/src/")).collect();
    assert_eq!(found, known, "where `unsafe` stands, and where scripts/memcheck.sh says that it does");
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    for path in manifests() {
        let text = read(&path);
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.starts_with('[') {
                section = line;
            }
            let inherits = || line.contains(".workspace = true") || line.contains("workspace = true");
            let declares = section.ends_with("dependencies]") && section != "[workspace.dependencies]";
            let entry = line.contains('=') && !line.starts_with(['#', '[']);
            assert!(!(declares && entry) || inherits(), "{}: {section} {line}", path.display());
        }
    }
}

/// Crates that may depend on each other, in one direction.
#[test]
fn dependencies_point_one_way() {
    check_depends("crates/smvae-kernels", &[]);
    check_depends("crates/smvae-core", &["smvae-kernels"]);
    check_depends("crates/smvae-data", &["smvae-core"]);
    check_depends("crates/smvae-encoders", &["smvae-core"]);
    check_depends("crates/smvae-cli", &["smvae", "smvae-serve"]);
    check_depends("crates/smvae-serve", &["smvae"]);
    check_depends("crates/smvae", &["smvae-core", "smvae-data", "smvae-encoders"]);
}

#[test]
fn spans_and_scores_need_no_candle() {
    for package in ["smvae-core", "smvae-data"] {
        let names = tree(package, &["--no-default-features"]);
        for heavy in ["candle-core", "candle-nn", "gemm", "rayon", "tokenizers", "arrow-array", "zstd-sys"] {
            assert!(!names.iter().any(|name| name == heavy), "{package} without features pulls in {heavy}");
        }
    }
}

/// What is for NVIDIA GPUs comes with the feature `cuda` alone.
#[test]
fn a_build_for_the_processor_has_no_kernels() {
    for package in ["smvae-core", "smvae-cli"] {
        let names = tree(package, &[]);
        for gpu in ["smvae-kernels", "candle-kernels", "cudarc"] {
            assert!(!names.iter().any(|name| name == gpu), "{package} pulls in {gpu}");
        }
    }
}

#[test]
fn kernels_say_what_they_are_and_are_short() {
    let mut files = Vec::new();
    for extension in ["cu", "cuh", "h", "cpp"] {
        collect(&root().join("crates/smvae-kernels"), extension, &mut files);
    }
    assert!(files.len() > 3, "the kernels are not where they were");
    for file in files {
        let (text, name) = (read(&file), file.display());
        assert!(text.starts_with("// "), "{name} must begin with a comment that says what it is");
        assert!(text.lines().count() <= MAX_LINES, "{name} has more than {MAX_LINES} lines");
    }
}

#[test]
fn text_needs_neither_toml_nor_statistics_nor_decoders_of_images() {
    let names = tree("smvae", &["--no-default-features"]);
    for heavy in ["toml", "statrs", "image", "png", "image-webp", "ureq", "minijinja", "tokio", "axum"] {
        assert!(!names.iter().any(|name| name == heavy), "smvae without features pulls in {heavy}");
    }
}

/// The floors of the crate `smvae`, from the ground up. A file names only what stands on a lower
/// floor, or in its own folder.
const FLOORS: [&[&str]; 11] = [
    &["error", "flow"],
    &["files"],
    &["config", "features"],
    &["input"],
    &["scoring"],
    &["run"],
    &["inference"],
    &["training"],
    &["demo", "suggest"],
    &["experiment"],
    &["report"],
];

#[test]
fn imports_go_down_the_stairs() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    for file in Module::all(FACADE) {
        let Some(room) = file.path.first().filter(|room| *room != "lib") else { continue };
        let here = floor(room).unwrap_or_else(|| panic!("{room} has no floor: give it one in FLOORS"));
        for (line, import) in &file.imports {
            let there = import.first().and_then(|room| floor(room));
            let below = import.first() == Some(room) || there.is_some_and(|there| there < here);
            let import = import.join("::");
            assert!(below, "{}:{line}: {room} stands below crate::{import}, or that is nowhere", file.file.display());
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in [
        FACADE,
        "crates/smvae-kernels/src",
        "crates/smvae-core/src",
        "crates/smvae-data/src",
        "crates/smvae-encoders/src",
        "crates/smvae-serve/src",
        "crates/smvae-cli/src",
    ] {
        let files = Module::all(folder);
        let mut done = BTreeSet::new();
        for start in 0..files.len() {
            if let Some(circle) = circle(&files, start, &mut Vec::new(), &mut done) {
                let names: Vec<_> = circle.into_iter().map(|i| files[i].file.display().to_string()).collect();
                panic!("{folder}: these files import each other in a circle: {}", names.join(" -> "));
            }
        }
    }
}

/// Inside the crate a name is imported from the file that defines it; lib.rs is the front door for
/// others.
#[test]
fn no_file_imports_through_the_front_door() {
    for file in Module::all(FACADE).into_iter().filter(|file| file.path != ["lib"]) {
        // A name of one segment is that of the front door, too.
        let is_bad = |line: &str| {
            let import = line.trim_start().strip_prefix("use crate::");
            import.is_some_and(|import| import.starts_with('{') || !import.contains("::"))
        };
        let bad = read(&file.file).lines().position(is_bad);
        assert!(bad.is_none(), "{}:{}: name the defining file", file.file.display(), bad.unwrap_or(0) + 1);
    }
}

/// A circle that begins at a file, by depth-first search; files in `done` are in none.
fn circle(files: &[Module], at: usize, way: &mut Vec<usize>, done: &mut BTreeSet<usize>) -> Option<Vec<usize>> {
    if done.contains(&at) {
        return None;
    }
    if let Some(first) = way.iter().position(|i| *i == at) {
        return Some(way[first..].iter().copied().chain([at]).collect());
    }
    way.push(at);
    for (_, import) in &files[at].imports {
        // The longest beginning of the path that is a file: the rest are items in it.
        let named = (1..=import.len()).rev().find_map(|n| files.iter().position(|file| file.path == import[..n]));
        if let Some(next) = named.filter(|next| *next != at && files[*next].path != ["lib"])
            && let Some(circle) = circle(files, next, way, done)
        {
            return Some(circle);
        }
    }
    way.pop();
    done.insert(at);
    None
}

/// A file as a module: where it stands in its crate, and what it names of the crate in code (not in
/// comments or tests).
struct Module {
    file: PathBuf,
    path: Vec<String>,
    /// Line and path below `crate`.
    imports: Vec<(usize, Vec<String>)>,
}

impl Module {
    /// The modules of a crate, `tests.rs` aside.
    fn all(folder: &str) -> Vec<Self> {
        let source = root().join(folder);
        let mut files = Vec::new();
        collect(&source, "rs", &mut files);
        files.retain(|file| !file.ends_with("tests.rs") && !file.ends_with("main.rs"));
        assert!(files.len() > 1, "{folder} is not where it was");
        let mut modules: Vec<Self> = files.into_iter().map(|file| Self::read(&source, file)).collect();
        // A name that lib.rs hands on is defined elsewhere: `crate::Error` is
        // `crate::error::Error`.
        let door = if source.join("lib.rs").exists() { "lib.rs" } else { "main.rs" };
        let door = handed_on(&read(&source.join(door)));
        for (_, import) in modules.iter_mut().flat_map(|module| &mut module.imports) {
            if let [name] = &import[..]
                && let Some(defined) = door.iter().find(|path| path.last() == Some(name))
            {
                import.clone_from(defined);
            }
        }
        modules
    }

    fn read(source: &Path, file: PathBuf) -> Self {
        let below = file.strip_prefix(source).expect("a file of the folder").with_extension("");
        let mut path: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        path.pop_if(|last| last == "mod");
        let text = read(&file);
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let is_door = ["mod.rs", "lib.rs"].iter().any(|door| file.ends_with(door));
        let mut imports = Vec::new();
        let mut lines = code.lines().enumerate();
        while let Some((i, line)) = lines.next() {
            let mut statement = line.trim().to_owned();
            let is_use =
                statement.starts_with("use ") || statement.contains(") use ") || statement.starts_with("pub use ");
            while is_use && !statement.ends_with(';') {
                statement += lines.next().map_or(";", |(_, line)| line.trim());
            }
            // What a door hands on to others is no import of its own, nor is a comment.
            let handed_on = is_door && is_use && statement.starts_with("pub");
            if handed_on || statement.starts_with("//") || statement.split(' ').any(|word| word == "mod") {
                continue;
            }
            let paths = if is_use { expanded(&statement) } else { vec![statement] };
            imports.extend(paths.iter().flat_map(|named| names(named, &path)).map(|import| (i + 1, import)));
        }
        Self { file, path, imports }
    }
}

/// The paths of what a lib.rs hands on.
fn handed_on(lib: &str) -> Vec<Vec<String>> {
    let statements = lib.split("pub use ").skip(1).filter_map(|rest| rest.split(';').next());
    let paths = statements.flat_map(expanded);
    paths.map(|path| path.split("::").map(|part| part.trim().to_owned()).collect()).collect()
}

/// The paths of a `use`, one for each name in its braces.
fn expanded(statement: &str) -> Vec<String> {
    let Some((before, rest)) = statement.split_once('{') else { return vec![statement.to_owned()] };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for c in rest.chars() {
        match c {
            ',' | '}' if depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => part.push(c),
        }
        depth += i32::from(c == '{') - i32::from(c == '}' && depth > 0);
    }
    parts.iter().flat_map(|part| expanded(&format!("{before}{}", part.trim()))).collect()
}

#[test]
fn braces_are_expanded() {
    let got = expanded("use crate::{a::{B, C}, d};");
    assert_eq!(got[..3], ["use crate::a::B", "use crate::a::C", "use crate::d"]);
}

/// The paths below `crate` that a line of a module names: by `crate::`, by `super::`, or as a
/// module of its own.
fn names(line: &str, module: &[String]) -> Vec<Vec<String>> {
    let of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    for path in line.split(|c| !of_path(c)).filter(|path| path.contains("::")) {
        let mut parts = path.split("::").map(str::to_owned).filter(|part| !part.is_empty()).peekable();
        let mut base = module.to_vec();
        if parts.next_if(|part| part == "crate").is_some() {
            base.clear();
        }
        while parts.next_if(|part| part == "super").is_some() {
            base.pop();
        }
        found.push(base.into_iter().chain(parts).collect());
    }
    found
}

/// The library's lines in the README are those of the crate's own, which is a documentation test.
#[test]
fn the_readme_shows_code_that_compiles() {
    let (readme, tested) = (read(&root().join("README.md")), read(&root().join("crates/smvae/README.md")));
    let code = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of Rust");
    let tested: Vec<&str> = tested.lines().map(str::trim).collect();
    for line in code.lines().map(str::trim) {
        assert!(tested.contains(&line), "crates/smvae/README.md lacks {line:?}");
    }
}

/// The front page of the library says how much each feature adds.
#[test]
fn the_crates_that_a_build_takes_are_counted_right() {
    let count = |options: &[&str]| packages("smvae", options).len();
    let (page, none) = (read(&root().join(FACADE).join("lib.rs")), count(&[]));
    let base = format!("builds {none} crates");
    assert!(page.contains(&base), "lib.rs does not say that it {base}");
    assert!(read(&root().join("CHANGELOG.md")).contains(&base), "CHANGELOG.md does not say that it {base}");
    for feature in ["vision", "experiment", "hub", "report", "arrow", "parquet"] {
        let more = count(&["--features", feature]) - none;
        let row = page.lines().find(|line| line.starts_with(&format!("//! | `{feature}`"))).expect("a row");
        assert!(row.ends_with(&format!("| {more} |")), "{feature} adds {more} crates: {row}");
    }
}

#[track_caller]
fn check_depends(folder: &str, want: &[&str]) {
    let text = read(&root().join(folder).join("Cargo.toml"));
    // `[dependencies]` up to the next section.
    let section = text.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter(|line| line.starts_with("smvae"));
    let got: Vec<&str> = names.filter_map(|line| line.split([' ', '.', '=']).next()).collect();
    assert_eq!(got, want, "{folder}");
}

/// Names of the packages that a build of `package` takes.
fn tree(package: &str, options: &[&str]) -> Vec<String> {
    let packages = packages(package, options).into_iter();
    packages.filter_map(|package| package.split(' ').next().map(str::to_owned)).collect()
}

/// Names and versions of the packages that a build of `package` takes.
fn packages(package: &str, options: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", package])
        .args(options)
        .output()
        .expect("cargo runs: it runs this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["crates", "tests", "examples", "benches", "fuzz/src", "fuzz/fuzz_targets"] {
        collect(&root().join(folder), "rs", &mut found);
    }
    assert!(found.len() > 50, "the sources are not where they were");
    found
}

fn manifests() -> Vec<PathBuf> {
    let mut found = vec![root().join("Cargo.toml")];
    for folder in ["crates", "tests", "examples", "benches"] {
        let mut files = Vec::new();
        collect(&root().join(folder), "toml", &mut files);
        // These are no members: one depends on the workspace's crates as others do, one has a lock
        // file of its own.
        let strangers = ["downstream/Cargo.toml", "loom/Cargo.toml"];
        let of_a_member =
            |file: &PathBuf| file.ends_with("Cargo.toml") && !strangers.iter().any(|stranger| file.ends_with(stranger));
        found.extend(files.into_iter().filter(of_a_member));
    }
    found
}

/// Files below a folder that have this extension, but for what was built.
fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
