import Events
import Testing

@Suite struct EventTests {
    private func numbers(_ stream: AsyncStream<Event>?, _ count: Int) async -> [UInt64] {
        var numbers: [UInt64] = []
        for await event in (stream ?? AsyncStream { $0.finish() }) {
            numbers.append(event.number)
            if numbers.count == count { break }
        }
        return numbers
    }

    @Test func `a follower gets the events that are kept, and then every new one`() async {
        let feed = EventFeed()
        for count in 1...3 { feed.post(.serving(services: count)) }
        let stream = feed.follow(after: 1)
        feed.post(.serving(services: 4))
        #expect(await numbers(stream, 3) == [2, 3, 4])
    }

    @Test func `the feed is bounded, in events and in followers`() async {
        let feed = EventFeed()
        for count in 1...3_000 { feed.post(.serving(services: count)) }
        #expect(await numbers(feed.follow(), 1) == [2_001])
        let slow = feed.follow(after: 3_000)
        for count in 1...2_000 { feed.post(.serving(services: count)) }
        #expect(await numbers(slow, 1) == [4_001], "what it had no room for is a gap in the numbers")
        let ofOne = (0..<EventFeed.maxFollowers.ofCaller).map { _ in feed.follow(for: "anna") }
        #expect(ofOne.allSatisfy { $0 != nil } && feed.follow(for: "anna") == nil && feed.follow(for: "ben") != nil)
        let followers = (0..<EventFeed.maxFollowers.inTotal).map { _ in feed.follow() }
        #expect(followers.contains { $0 != nil } && feed.follow() == nil)
    }

    @Test func `a problem begins once, keeps its time while it lasts, and ends`() async throws {
        let feed = EventFeed()
        let board = ProblemBoard(feed)
        board.replace(.loadReports, with: ["a": "a: 60 % fail"])
        let since = try #require(board.problems.first?.since)
        board.replace(.loadReports, with: ["a": "a: 70 % fail"])
        #expect(board.problems.map(\.sentence) == ["a: 70 % fail"] && board.problems[0].since == since)
        board.replace(.serving, with: ["other"])
        board.replace(.loadReports, with: [:])
        #expect(board.problems.map(\.sentence) == ["other"])
        var kinds: [String] = []
        for await event in try #require(feed.follow()) {
            switch event.kind {
            case .problemBegan(let problem): kinds.append("+\(problem.sentence)")
            case .problemEnded(let problem): kinds.append("-\(problem.sentence)")
            default: break
            }
            if kinds.count == 3 { break }
        }
        #expect(kinds == ["+a: 60 % fail", "+other", "-a: 70 % fail"])
    }
}
