//! Small files in one session, one after the other.

use super::{
    Goal, Outcome,
    bulk::{all, figures},
    print,
    servers::{AES, SMALL_FILES, Server, Site, small, small_name},
};

const CIPHER: &str = AES;

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
pub fn measure(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let batch = |line: &dyn Fn(usize) -> String| (0..SMALL_FILES).map(line).collect::<String>();
    let down = all(servers, |server| {
        let get = |number| format!("get {}/{} /dev/null\n", server.outbox, small_name(number));
        server.sftp(site, server.address, CIPHER, &batch(&get))
    })?;
    // Each is removed again, since an inbox has room for no more than a thousand.
    let up = all(servers, |server| {
        let target = |number| format!("{}/{}", server.inbox, small_name(number));
        let put = |number| format!("put {} {}\nrm {}\n", small(number), target(number), target(number));
        server.sftp(site, server.address, CIPHER, &batch(&put))
    })?;
    for (direction, costs) in [("down", down), ("up and removed", up)] {
        let cpu = figures(servers, &costs, |cost| cost.cpu * 1e3 / SMALL_FILES as f64);
        let goal = if direction == "down" { Goal::AtMost(0.2) } else { Goal::None };
        print(&format!("4 KiB files {direction}: CPU each"), "ms", &cpu, goal);
        let wall = figures(servers, &costs, |cost| cost.wall.as_secs_f64());
        print(&format!("4 KiB files {direction}: {SMALL_FILES} take"), "s", &wall, Goal::None);
    }
    Ok(())
}
