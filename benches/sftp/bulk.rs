//! One large file down and up with each cipher, and eight at once.

use std::thread;

use super::{
    Goal, Outcome, print,
    processes::{Cost, cost},
    servers::{AES, Server, Site},
};

/// Runs of each, one server after the other; the best counts, since everything else that a machine does only adds.
const RUNS: usize = 3;

/// Sessions at once.
const AT_ONCE: usize = 8;

/// Ciphers with the goals for processor time down and up.
const CIPHERS: [(&str, f64, f64); 2] = [(AES, 0.45, 0.52), ("chacha20-poly1305@openssh.com", 0.60, 0.65)];

#[expect(clippy::cast_precision_loss, reason = "mebibytes, far below 2^52")]
pub fn measure(site: &Site, servers: &[&Server]) -> Outcome<()> {
    let gibibytes = site.mebibytes as f64 / 1024.0;
    for (cipher, down_goal, up_goal) in CIPHERS {
        let down = |server: &Server| server.sftp(site, server.address, cipher, &fetch(server));
        let up = |server: &Server| server.sftp(site, server.address, cipher, &send(site, server, "een"));
        let (down, up) = (all(servers, down)?, all(servers, up)?);
        let name = cipher.split('@').next().unwrap_or_default();
        for (direction, costs, cpu_goal, wall_goal) in [("down", &down, down_goal, 1.0), ("up", &up, up_goal, 1.4)] {
            let figure = |of: fn(&Cost) -> f64| figures(servers, costs, of);
            let per_gibibyte: Vec<_> =
                figure(|cost| cost.cpu).into_iter().map(|(name, cpu)| (name, cpu / gibibytes)).collect();
            print(&format!("{direction}, {name}: CPU per GiB"), "s", &per_gibibyte, Goal::AtMost(cpu_goal));
            let wall = figure(|cost| cost.wall.as_secs_f64());
            print(&format!("{direction}, {name}: {} MiB take", site.mebibytes), "s", &wall, Goal::Faster(wall_goal));
            let memory = figure(|cost| cost.memory as f64 / 1_048_576.0);
            print(&format!("{direction}, {name}: memory at most"), "MiB", &memory, Goal::None);
        }
    }
    let (cipher, ..) = CIPHERS[0];
    let eight = |batch: &(dyn Fn(usize, &Server) -> String + Sync), server: &Server| {
        thread::scope(|scope| {
            let clients: Vec<_> = (0..AT_ONCE)
                .map(|nth| {
                    let batch = batch(nth, server);
                    scope.spawn(move || server.sftp(site, server.address, cipher, &batch).map_err(|e| e.to_string()))
                })
                .collect();
            clients
                .into_iter()
                .try_for_each(|client| client.join().map_err(|_| "a client stopped")?.map_err(Into::into))
        })
    };
    let pulls = all(servers, |server| eight(&|_, server| fetch(server), server))?;
    let pushes = all(servers, |server| eight(&|nth, server| send(site, server, &format!("acht{nth}")), server))?;
    for (direction, costs, goal) in [("down", &pulls, Goal::Faster(1.8)), ("up", &pushes, Goal::None)] {
        let wall = figures(servers, costs, |cost| cost.wall.as_secs_f64());
        print(&format!("{direction}, {AT_ONCE} at once: {} MiB each take", site.mebibytes), "s", &wall, goal);
    }
    Ok(())
}

fn fetch(server: &Server) -> String {
    format!("get {}/big.csv.age /dev/null\n", server.outbox)
}

fn send(site: &Site, server: &Server, name: &str) -> String {
    // `-f` asks for fsync, which the exchange does in any case. The file is removed: of ours only the listing is left.
    let target = format!("{}/{name}.csv.age.part", server.inbox);
    format!("put -f {} {target}\nrm {target}\n", site.big().display())
}

/// The best cost of an action with each server.
pub fn all(servers: &[&Server], action: impl Fn(&Server) -> Outcome<()>) -> Outcome<Vec<Cost>> {
    let mut best: Vec<Option<Cost>> = vec![None; servers.len()];
    for _ in 0..RUNS {
        for (server, best) in servers.iter().zip(&mut best) {
            let now = cost(server.id(), || action(server))?;
            *best = Some(best.map_or(now, |best| Cost {
                wall: best.wall.min(now.wall),
                cpu: best.cpu.min(now.cpu),
                memory: best.memory.min(now.memory),
            }));
        }
    }
    Ok(best.into_iter().flatten().collect())
}

/// One figure of each server.
pub fn figures(servers: &[&Server], costs: &[Cost], of: fn(&Cost) -> f64) -> Vec<(&'static str, f64)> {
    servers.iter().zip(costs).map(|(server, cost)| (server.name, of(cost))).collect()
}
