//! Link settings of the addon.
fn main() {
    napi_build::setup();
    // An addon that is unmapped while a worker thread still unwinds through it takes the process down: stay
    // loaded.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
