//! The program: reads its arguments and hands over to `groeikluis::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    groeikluis::cli::main()
}
