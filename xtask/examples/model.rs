#![allow(clippy::disallowed_macros, clippy::unwrap_used)]
use std::sync::Arc;
use xtask::model::*;
use xtask::tree::*;
struct Disk(std::path::PathBuf);
impl Source for Disk {
    fn read(&self, p: &TreePath, k: Kind) -> std::io::Result<Vec<u8>> {
        let f = self.0.join(p.as_str());
        if k == Kind::Symlink {
            Ok(std::fs::read_link(f)?
                .to_string_lossy()
                .into_owned()
                .into_bytes())
        } else {
            std::fs::read(f)
        }
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let tree = open(&a[1]);
    let table = xtask::options::OptionTable::embedded();
    let cache = ParseCache::default();
    if a.get(2).is_some_and(|b| std::path::Path::new(b).is_dir()) {
        let other = open(&a[2]);
        let (x, y) = (
            Fleet::load(&tree, &table, &cache),
            Fleet::load(&other, &table, &cache),
        );
        let t = std::time::Instant::now();
        let verdicts = xtask::proof::compare(&x, &y, &table);
        println!("compared in {:?}", t.elapsed());
        for v in verdicts {
            println!("{} {:?} {:?}", v.host, v.judgement, v.definitions);
            for d in &v.differences {
                println!(
                    "   {:?} {} {:?} {:?}",
                    d.judgement, d.message, d.before, d.after
                );
            }
        }
        return;
    }
    dump(&a, &tree, &table, &cache);
}
fn open(root: &str) -> Tree {
    let root = std::path::PathBuf::from(root);
    let mut paths = vec![];
    for e in ignore::WalkBuilder::new(&root)
        .hidden(false)
        .git_ignore(false)
        .filter_entry(|e| e.file_name() != ".git")
        .build()
    {
        let e = e.unwrap();
        let ft = e.file_type().unwrap();
        if ft.is_dir() {
            continue;
        }
        let rel = e
            .path()
            .strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        paths.push((
            TreePath::new(&rel).unwrap(),
            if ft.is_symlink() {
                Kind::Symlink
            } else {
                Kind::File
            },
        ));
    }
    Tree::new(paths, Arc::new(Disk(root)))
}
fn dump(a: &[String], tree: &Tree, table: &xtask::options::OptionTable<'_>, cache: &ParseCache) {
    let t = std::time::Instant::now();
    let fleet = Fleet::load(tree, table, cache);
    println!("loaded in {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let _ = Fleet::load(tree, table, cache);
    println!("again in {:?}", t.elapsed());
    for p in &fleet.problems {
        println!("PROBLEM {:?}", p);
    }
    for h in &fleet.hosts {
        let open = h
            .modules
            .iter()
            .filter(|m| matches!(m.origin, Origin::Opaque(..)))
            .count();
        println!(
            "HOST {} {:?} {:?} modules={} opaque={} decls={} defs={} open={} exhausted={}",
            h.name,
            h.call,
            h.system,
            h.modules.len(),
            open,
            h.declarations.len(),
            h.definitions.len(),
            h.definitions.iter().filter(|d| d.open).count(),
            h.exhausted
        );
        let verbose = a.get(2).is_some_and(|n| *n == h.name);
        for m in &h.modules {
            if verbose {
                println!("  M {} {} {:?}", m.level, m.key, m.origin);
            } else if let Origin::Opaque(t, why) = &m.origin {
                println!("  opaque {:?}: {why}", t);
            }
        }
        if verbose {
            for (k, t) in &h.arguments {
                println!("  ARG {k} = {t:?}");
            }
            for d in &h.definitions {
                println!(
                    "  D {} {:?} = {:?}{}",
                    d.path_text(),
                    d.wrappers,
                    d.value,
                    if d.open { " OPEN" } else { "" }
                );
            }
            for d in &h.declarations {
                println!("  O {} {:?} {:?}", d.path.join("."), d.kind, d.default);
            }
        } else {
            for d in h.definitions.iter().filter(|d| d.open) {
                println!("  open {} {:?}", d.path_text(), d.value);
            }
        }
    }
}
