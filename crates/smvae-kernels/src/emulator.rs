//! The kernels on a CPU, for tests: compiled by a C++ compiler when first asked for, and launched
//! by name with the arguments that `cuLaunchKernel` takes.

use std::ffi::{CString, OsString, c_char, c_int, c_uint, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The order in which the threads of a block, and the blocks of a grid, take turns. What a kernel
/// computes must not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first thread first.
    Ascending,
    /// The last thread first.
    Descending,
}

/// The compiled kernels.
#[derive(Debug)]
pub struct Emulator {
    /// Shared memory is a static variable of the library, so that one kernel runs at a time.
    library: Mutex<libloading::Library>,
}

type Launch = unsafe extern "C" fn(*const c_char, *const c_uint, c_uint, *mut *mut c_void, c_int) -> c_int;

/// The emulator of this process; `None` where there is no C++ compiler: `c++`, or what `CXX` names.
///
/// # Panics
/// If there is one and it refuses the kernels, with what it says.
pub fn emulator() -> Option<&'static Emulator> {
    static EMULATOR: OnceLock<Option<Emulator>> = OnceLock::new();
    EMULATOR.get_or_init(compile).as_ref()
}

fn compile() -> Option<Emulator> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    Command::new(&compiler).arg("--version").output().ok().filter(|output| output.status.success())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = folder.path().join("libkernels.so");
    let mut arguments: Vec<OsString> = ["-std=c++17", "-O1", "-fPIC", "-shared", "-o"].map(Into::into).into();
    arguments.push(library.clone().into());
    arguments.extend(["-x", "c++"].map(OsString::from));
    arguments.push(root.join("emulator/launch.cpp").into());
    arguments.extend(sources(&root.join("cuda")).into_iter().map(OsString::from));
    let output = Command::new(&compiler).args(arguments).output().expect("it has just told its version");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // SAFETY: the library is made of our own sources; what runs when it is loaded fills a table of
    // names.
    let library = unsafe { libloading::Library::new(&library) }.expect("a library that was just linked");
    Some(Emulator { library: Mutex::new(library) })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of the kernels");
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cu"));
    files.sort();
    files
}

impl Emulator {
    /// Runs a kernel to its end.
    ///
    /// # Errors
    /// If there is no kernel of this name, or its threads wait for each other for ever.
    ///
    /// # Safety
    /// `arguments` are addresses of values of the types that the kernel takes, in its order, and
    /// the pointers among them lead to as much memory as it reads and writes.
    pub unsafe fn launch(
        &self,
        kernel: &str,
        grid: [u32; 3],
        threads: u32,
        arguments: &mut [*mut c_void],
        order: Order,
    ) -> Result<(), String> {
        let name = CString::new(kernel).map_err(|error| error.to_string())?;
        // A test that failed inside has left nothing behind that the next kernel needs.
        let library = self.library.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: this is the type of the function in launch.cpp.
        let launch = unsafe { library.get::<Launch>(b"emulated_launch\0") }.map_err(|error| error.to_string())?;
        let descending = c_int::from(order == Order::Descending);
        // SAFETY: the caller's promise.
        let result = unsafe { launch(name.as_ptr(), grid.as_ptr(), threads, arguments.as_mut_ptr(), descending) };
        match result {
            0 => Ok(()),
            1 => Err(format!("there is no kernel {kernel}: does its file have EXPORT({kernel})?")),
            _ => Err(format!("{kernel}: its threads wait for each other for ever")),
        }
    }
}
