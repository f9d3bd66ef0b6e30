//! Commands of our own on DPDK's telemetry socket, beside `/ethdev/*`.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::sync::{PoisonError, RwLock};

use dpdk_sys::rte_tel_data;

use crate::{Eal, Errno, Error};

/// Entries of a dictionary, and of a list, that DPDK takes (256, 512), less a few.
const DICT_MAX: usize = 250;
const LIST_MAX: usize = 500;

/// What a command answers. DPDK knows no more kinds; its texts end at 127 bytes, its whole answer
/// at 16 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Count(u64),
    /// A text.
    Text(String),
    /// Several texts. (DPDK knows lists of dictionaries only since 23.03.)
    Texts(Vec<String>),
    /// Values by name; characters that DPDK refuses in a name become `_`.
    Dict(Vec<(String, Value)>),
}

/// Makes the answer to what followed the command's comma; `None`: an error. It is called on DPDK's
/// telemetry thread, and the client waits for it.
pub type Source = Box<dyn Fn(&str) -> Option<Value> + Send + Sync>;

/// DPDK's callback has no argument of ours: the command's name leads to its source. Only the
/// telemetry's threads and [`register`] touch it.
static SOURCES: RwLock<Vec<(CString, Source)>> = RwLock::new(Vec::new());

/// Registers a command as `/ha/state`, with one line of help. It stays until the process ends.
///
/// # Errors
/// When DPDK refuses the command, or it is there already.
pub fn register(_eal: &Eal, command: &str, help: &str, source: Source) -> Result<(), Error> {
    let refused = |code| Error::Telemetry {
        command: command.to_owned(),
        errno: Errno::new(code),
    };
    let invalid = |_| refused(libc::EINVAL);
    let name = CString::new(command).map_err(invalid)?;
    let help = CString::new(help).map_err(invalid)?;
    let mut sources = SOURCES.write().unwrap_or_else(PoisonError::into_inner);
    if sources.iter().any(|(known, _)| *known == name) {
        return Err(refused(libc::EEXIST));
    }
    // SAFETY: both strings end with NUL and DPDK copies them; the callback is a function that stays.
    let code =
        unsafe { dpdk_sys::rte_telemetry_register_cmd(name.as_ptr(), Some(answer), help.as_ptr()) };
    if code != 0 {
        return Err(refused(code));
    }
    sources.push((name, source));
    Ok(())
}

/// DPDK's side: called by its telemetry thread of the client.
unsafe extern "C" fn answer(
    command: *const c_char,
    parameters: *const c_char,
    data: *mut rte_tel_data,
) -> c_int {
    let Some(data) = NonNull::new(data) else {
        return -libc::EINVAL;
    };
    if command.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: DPDK passes strings that end with NUL and live as long as the call, or (for the
    // parameters) null.
    let (command, parameters) = unsafe {
        let parameters = if parameters.is_null() {
            c""
        } else {
            CStr::from_ptr(parameters)
        };
        (CStr::from_ptr(command), parameters.to_string_lossy())
    };
    let sources = SOURCES.read().unwrap_or_else(PoisonError::into_inner);
    let source = sources.iter().find(|(name, _)| name.as_c_str() == command);
    let Some(value) = source.and_then(|(_, source)| source(&parameters)) else {
        return -libc::EINVAL;
    };
    fill(data, &value)
}

/// Writes a value into DPDK's structure; 0, or a negative errno.
fn fill(data: NonNull<rte_tel_data>, value: &Value) -> c_int {
    match value {
        Value::Count(number) => fill_text(data, &number.to_string()),
        Value::Text(text) => fill_text(data, text),
        Value::Texts(texts) => fill_texts(data, texts),
        Value::Dict(dict) => fill_dict(data, dict),
    }
}

fn fill_text(data: NonNull<rte_tel_data>, text: &str) -> c_int {
    // SAFETY: `data` is DPDK's, exclusively ours during the call; the string is copied.
    unsafe { dpdk_sys::rte_tel_data_string(data.as_ptr(), c_text(text).as_ptr()) }
}

fn fill_texts(data: NonNull<rte_tel_data>, texts: &[String]) -> c_int {
    let kind = dpdk_sys::RTE_TEL_STRING_VAL;
    // SAFETY: as in `fill_text`.
    let mut code = unsafe { dpdk_sys::rte_tel_data_start_array(data.as_ptr(), kind) };
    for text in texts.iter().take(LIST_MAX) {
        if code < 0 {
            return code;
        }
        let text = c_text(text);
        // SAFETY: `data` is a started array of strings; the string is copied.
        code = unsafe { dpdk_sys::rte_tel_data_add_array_string(data.as_ptr(), text.as_ptr()) };
    }
    code.min(0)
}

fn fill_dict(data: NonNull<rte_tel_data>, dict: &[(String, Value)]) -> c_int {
    // SAFETY: as in `fill_text`.
    let mut code = unsafe { dpdk_sys::rte_tel_data_start_dict(data.as_ptr()) };
    for (name, value) in dict.iter().take(DICT_MAX) {
        if code < 0 {
            return code;
        }
        let name = c_name(name);
        code = match value {
            Value::Count(number) => {
                // SAFETY: `data` is a started dictionary; the name is copied.
                unsafe { dpdk_sys::shim_tel_dict_u64(data.as_ptr(), name.as_ptr(), *number) }
            }
            Value::Text(text) => {
                // SAFETY: `data` is a started dictionary; both strings are copied.
                unsafe {
                    dpdk_sys::rte_tel_data_add_dict_string(
                        data.as_ptr(),
                        name.as_ptr(),
                        c_text(text).as_ptr(),
                    )
                }
            }
            Value::Texts(_) | Value::Dict(_) => contain(value, |inner| {
                // SAFETY: both are DPDK's structures; `data` is a started dictionary, which owns
                // `inner` from now on where this succeeds.
                unsafe {
                    dpdk_sys::rte_tel_data_add_dict_container(
                        data.as_ptr(),
                        name.as_ptr(),
                        inner,
                        0,
                    )
                }
            }),
        };
    }
    // A positive code says that a text was cut, and is none of the client's business.
    code.min(0)
}

/// A structure of its own for a nested value, given to `add`, or freed where that fails.
fn contain(value: &Value, add: impl FnOnce(*mut rte_tel_data) -> c_int) -> c_int {
    // SAFETY: allocates; null where there is no memory.
    let Some(inner) = NonNull::new(unsafe { dpdk_sys::rte_tel_data_alloc() }) else {
        return -libc::ENOMEM;
    };
    let mut code = fill(inner, value);
    if code >= 0 {
        code = add(inner.as_ptr());
    }
    if code < 0 {
        // SAFETY: allocated above, and taken by nobody.
        unsafe { dpdk_sys::rte_tel_data_free(inner.as_ptr()) };
    }
    code
}

/// A string for C: it ends at its first NUL.
fn c_text(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// A name as DPDK takes it: letters, digits, `_` and `/`, at most 63 bytes.
fn c_name(name: &str) -> CString {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '/') {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().take(63).map(plain).collect();
    c_text(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_made_fit() {
        assert_eq!(c_name("in-band path.é").as_c_str(), c"in_band_path__");
        assert_eq!(c_name(&"x".repeat(99)).as_bytes().len(), 63);
        assert_eq!(c_text("a\0b").as_c_str(), c"a");
        assert_eq!(c_text("").as_c_str(), c"");
    }
}
