import TestBench

/// The results of all cases.
public struct Outcome: Sendable {
    /// In the order of the cases.
    public var verdicts: [(rule: Case, byForm: [Form: Verdict])]

    /// The number of verdicts of each kind.
    public var counts: (passed: Int, failed: Int, skipped: Int) {
        verdicts.flatMap(\.byForm.values).reduce(into: (0, 0, 0)) { counts, verdict in
            switch verdict {
            case .passed: counts.passed += 1
            case .failed: counts.failed += 1
            case .skipped: counts.skipped += 1
            }
        }
    }

    /// A Markdown table with a row for each feature and a column for each form: how many of the rules are kept.
    public var summary: String {
        var lines = ["| | \(Form.all.map(\.description).joined(separator: " | ")) |"]
        lines.append("|---|\(String(repeating: "---|", count: Form.all.count))")
        for feature in Feature.allCases {
            let marks = Form.all.map { form -> String in
                let verdicts = verdicts.filter { $0.rule.feature == feature }.compactMap { $0.byForm[form] }
                return verdicts.isEmpty ? "n/a" : "\(verdicts.count { $0 == .passed }) of \(verdicts.count)"
            }
            lines.append("| \(feature.rawValue) | \(marks.joined(separator: " | ")) |")
        }
        return lines.joined(separator: "\n")
    }

    /// A Markdown table with a row for each rule and a column for each form, and the reasons of those that didn't pass.
    public var table: String {
        var lines = ["| rule | source | \(Form.all.map(\.description).joined(separator: " | ")) |"]
        lines.append("|---|---|\(String(repeating: "---|", count: Form.all.count))")
        var notes: [String] = []
        for (rule, byForm) in verdicts {
            let marks = Form.all.map { form -> String in
                switch byForm[form] {
                case nil: return "n/a"
                case .passed: return "yes"
                case .failed(let reason):
                    notes.append("- **\(rule.name)**, \(form): \(reason)")
                    return "**no**"
                case .skipped(let reason):
                    notes.append("- \(rule.name), \(form), skipped: \(reason)")
                    return "skipped"
                }
            }
            lines.append("| \(rule.rule) | \(rule.source) | \(marks.joined(separator: " | ")) |")
        }
        return (lines + (notes.isEmpty ? [] : [""] + notes)).joined(separator: "\n")
    }
}

/// Runs every case in every form; each form has its own server, so that they don't interfere.
///
/// - Parameters:
///   - only: the names of the cases to run; empty for all.
///   - server: creates the server for a form; if forms share one server, set `oneAfterTheOther`.
public func runConformance(
    only: Set<String> = [], oneAfterTheOther: Bool = false, progress: @escaping @Sendable (String) -> Void = { _ in },
    server: @escaping @Sendable (Form) async throws -> any Subject
) async throws -> Outcome {
    let cases = Case.all.filter { only.isEmpty || only.contains($0.name) }
    var verdicts: [Form: [Verdict?]] = [:]
    let play = { @Sendable (form: Form) async throws -> (Form, [Verdict?]) in
        let mesh = TestMesh(try await server(form))
        var verdicts: [Verdict?] = []
        for rule in cases {
            let verdict = rule.forms.contains(form) ? await rule.verdict(Trial(form, mesh)) : nil
            if let verdict, verdict != .passed { progress("\(rule.name), \(form): \(verdict)") }
            verdicts.append(verdict)
        }
        return (form, verdicts)
    }
    try await withThrowingTaskGroup { group in
        for form in Form.all {
            group.addTask { try await play(form) }
            if oneAfterTheOther, let (form, result) = try await group.next() { verdicts[form] = result }
        }
        for try await (form, result) in group { verdicts[form] = result }
    }
    return Outcome(
        verdicts: cases.enumerated().map { index, rule in
            (rule, verdicts.compactMapValues { $0[index] })
        })
}

extension Case {
    fileprivate func verdict(_ trial: Trial) async -> Verdict {
        let verdict = await outcome(trial)
        await trial.close()
        return verdict
    }

    private func outcome(_ trial: Trial) async -> Verdict {
        do {
            try await check(trial)
            return .passed
        } catch let error as NotTriable {
            return .skipped(error.reason)
        } catch {
            return .failed("\(error)")
        }
    }
}
