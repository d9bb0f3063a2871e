CREATE TABLE `candidate_counts` (
	`policy` text NOT NULL,
	`key_id` text NOT NULL,
	`reason` text NOT NULL,
	`steps` integer NOT NULL,
	PRIMARY KEY(`policy`, `key_id`, `reason`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `candidates` (
	`policy` text NOT NULL,
	`seq` integer NOT NULL,
	`key_id` text NOT NULL,
	`own` integer NOT NULL,
	`policy_version` integer NOT NULL,
	`facts` integer NOT NULL,
	`not_trainable` text,
	`branch_of` integer,
	`reason` text NOT NULL,
	`state` integer,
	`place` integer NOT NULL,
	PRIMARY KEY(`seq`, `policy`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `candidates_state` ON `candidates` (`state`,`place`) WHERE state IS NOT NULL;--> statement-breakpoint
CREATE INDEX `candidates_branch` ON `candidates` (`branch_of`) WHERE branch_of IS NOT NULL;--> statement-breakpoint
CREATE TABLE `countings` (
	`policy` text PRIMARY KEY NOT NULL,
	`mode` text NOT NULL,
	`rule` text NOT NULL,
	`held_out` text NOT NULL,
	`tasks_written` integer NOT NULL,
	`recount_from` integer,
	`total` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `state_counts` (
	`policy` text NOT NULL,
	`mode` text NOT NULL,
	`key_id` text NOT NULL,
	`own` integer NOT NULL,
	`known` integer NOT NULL,
	`visits` integer NOT NULL,
	`last_version` integer NOT NULL,
	`states` integer NOT NULL,
	PRIMARY KEY(`policy`, `mode`, `key_id`, `own`, `known`, `visits`, `last_version`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `states` (
	`id` integer PRIMARY KEY NOT NULL,
	`policy` text NOT NULL,
	`mode` text NOT NULL,
	`hash` text NOT NULL,
	`draw` integer NOT NULL,
	`steps` integer NOT NULL,
	`told` integer NOT NULL,
	`first` integer,
	`key_id` text NOT NULL,
	`own` integer NOT NULL,
	`visits` integer NOT NULL,
	`last_version` integer NOT NULL,
	`last_rate` real,
	`refusals` integer NOT NULL,
	`set_aside` text,
	`known` integer GENERATED ALWAYS AS (told > 0) VIRTUAL NOT NULL,
	`bucket` integer GENERATED ALWAYS AS (CASE WHEN visits = 0 THEN 0 WHEN last_rate > 0 AND last_rate < 1 THEN 1 ELSE 2 END) VIRTUAL NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `states_once` ON `states` (`hash`,`policy`,`mode`);--> statement-breakpoint
CREATE INDEX `states_open` ON `states` (`policy`,`mode`,`key_id`,`own`,`bucket`,`known`,`draw`) WHERE steps > 0 AND set_aside IS NULL;--> statement-breakpoint
CREATE INDEX `states_aside` ON `states` (`policy`,`mode`) WHERE steps > 0 AND set_aside IS NOT NULL;--> statement-breakpoint
CREATE TABLE `touched` (
	`policy` text NOT NULL,
	`trajectory_id` text NOT NULL,
	PRIMARY KEY(`policy`, `trajectory_id`)
) WITHOUT ROWID;
--> statement-breakpoint
DROP INDEX `cycle_steps_once`;--> statement-breakpoint
ALTER TABLE `cycle_steps` ADD `visit` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `cycle_steps` ADD `visited` integer DEFAULT false NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `cycle_steps_once` ON `cycle_steps` (`step_id`,`mode`,`policy`,`visit`);--> statement-breakpoint
CREATE TRIGGER `touched_by_step` AFTER INSERT ON `steps` BEGIN
	INSERT INTO touched SELECT c.policy, NEW.trajectory_id FROM countings c
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.trajectory_id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_step_change` AFTER UPDATE ON `steps` BEGIN
	INSERT INTO touched SELECT c.policy, NEW.trajectory_id FROM countings c
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.trajectory_id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_step_gone` AFTER DELETE ON `steps` BEGIN
	DELETE FROM candidates WHERE seq = OLD.seq;
	DELETE FROM states WHERE hash = substr(OLD.state_tip, 4, 32) || substr(OLD.tool_set, 4, 32) AND steps = 0;
	INSERT INTO touched SELECT c.policy, OLD.trajectory_id FROM countings c
		WHERE EXISTS (SELECT 1 FROM trajectories j WHERE j.id = OLD.trajectory_id)
		AND NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = OLD.trajectory_id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_trajectory_change` AFTER UPDATE ON `trajectories` BEGIN
	INSERT INTO touched SELECT c.policy, NEW.id FROM countings c
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_no_more` AFTER DELETE ON `trajectories` BEGIN
	DELETE FROM touched WHERE policy IN (SELECT policy FROM countings) AND trajectory_id = OLD.id;
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_response` AFTER INSERT ON `responses` BEGIN
	INSERT INTO touched SELECT c.policy, NEW.trajectory_id FROM countings c
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.trajectory_id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_withdrawal` AFTER INSERT ON `withdrawals` BEGIN
	INSERT INTO touched SELECT c.policy, NEW.trajectory_id FROM countings c
		WHERE EXISTS (SELECT 1 FROM trajectories j WHERE j.id = NEW.trajectory_id)
		AND NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.trajectory_id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_verdict` AFTER INSERT ON `verdicts` WHEN NEW.subject_kind <> 'sample' BEGIN
	INSERT INTO touched SELECT c.policy, j.id FROM countings c JOIN trajectories j ON j.id = CASE NEW.subject_kind
			WHEN 'step' THEN (SELECT s.trajectory_id FROM steps s WHERE s.id = NEW.subject_id)
			ELSE coalesce((SELECT r.trajectory_id FROM responses r WHERE r.id = NEW.subject_id), NEW.subject_id) END
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = j.id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_verdict_gone` AFTER DELETE ON `verdicts` WHEN OLD.subject_kind <> 'sample' BEGIN
	INSERT INTO touched SELECT c.policy, j.id FROM countings c JOIN trajectories j ON j.id = CASE OLD.subject_kind
			WHEN 'step' THEN (SELECT s.trajectory_id FROM steps s WHERE s.id = OLD.subject_id)
			ELSE coalesce((SELECT r.trajectory_id FROM responses r WHERE r.id = OLD.subject_id), OLD.subject_id) END
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = j.id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_consent` AFTER UPDATE OF `train` ON `keys` WHEN OLD.train IS NOT NEW.train BEGIN
	INSERT INTO touched SELECT c.policy, j.id FROM countings c JOIN trajectories j
		ON j.key_id = NEW.id AND j.key_id <> ''
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = j.id);
END;
--> statement-breakpoint
CREATE TRIGGER `tasks_written` AFTER INSERT ON `tasks` BEGIN
	UPDATE countings SET tasks_written = 1;
END;
--> statement-breakpoint
CREATE TRIGGER `tasks_written_again` AFTER UPDATE ON `tasks` BEGIN
	UPDATE countings SET tasks_written = 1;
END;
--> statement-breakpoint
CREATE TRIGGER `tasks_written_off` AFTER DELETE ON `tasks` BEGIN
	UPDATE countings SET tasks_written = 1;
END;
--> statement-breakpoint
CREATE TRIGGER `candidates_more` AFTER INSERT ON `candidates` BEGIN
	INSERT INTO candidate_counts VALUES (NEW.policy, NEW.key_id, NEW.reason, 1)
		ON CONFLICT DO UPDATE SET steps = steps + 1;
	UPDATE states SET steps = steps + 1, told = told + (NEW.facts & 1) WHERE id = NEW.state;
	UPDATE states SET (first, key_id, own) = (SELECT seq, key_id, own FROM candidates WHERE state = NEW.state
			ORDER BY place LIMIT 1)
		WHERE id = NEW.state AND first IS NOT (SELECT seq FROM candidates WHERE state = NEW.state ORDER BY place LIMIT 1);
END;
--> statement-breakpoint
CREATE TRIGGER `candidates_less` AFTER DELETE ON `candidates` BEGIN
	UPDATE candidate_counts SET steps = steps - 1
		WHERE policy = OLD.policy AND key_id = OLD.key_id AND reason = OLD.reason;
	DELETE FROM candidate_counts WHERE policy = OLD.policy AND key_id = OLD.key_id AND reason = OLD.reason AND steps = 0;
	UPDATE states SET steps = steps - 1, told = told - (OLD.facts & 1) WHERE id = OLD.state;
	UPDATE states SET (first, key_id, own) = (SELECT seq, key_id, own FROM candidates WHERE state = OLD.state
			ORDER BY place LIMIT 1)
		WHERE id = OLD.state AND steps > 0 AND first = OLD.seq;
	DELETE FROM states WHERE id = OLD.state AND steps = 0 AND visits = 0 AND refusals = 0;
	INSERT INTO touched SELECT c.policy, s.trajectory_id FROM candidates c JOIN steps s ON s.seq = c.seq
		WHERE c.branch_of = OLD.seq AND c.policy = OLD.policy AND NOT EXISTS (
			SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = s.trajectory_id)
		GROUP BY s.trajectory_id;
END;
--> statement-breakpoint
CREATE TRIGGER `candidates_recounted` AFTER UPDATE ON `candidates`
WHEN OLD.key_id <> NEW.key_id OR OLD.reason <> NEW.reason BEGIN
	UPDATE candidate_counts SET steps = steps - 1
		WHERE policy = OLD.policy AND key_id = OLD.key_id AND reason = OLD.reason;
	DELETE FROM candidate_counts WHERE policy = OLD.policy AND key_id = OLD.key_id AND reason = OLD.reason AND steps = 0;
	INSERT INTO candidate_counts VALUES (NEW.policy, NEW.key_id, NEW.reason, 1)
		ON CONFLICT DO UPDATE SET steps = steps + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `candidates_moved` AFTER UPDATE ON `candidates`
WHEN OLD.state IS NOT NEW.state OR OLD.place <> NEW.place OR OLD.key_id <> NEW.key_id OR OLD.own <> NEW.own
	OR (OLD.facts & 1) <> (NEW.facts & 1) BEGIN
	UPDATE states SET steps = steps - 1, told = told - (OLD.facts & 1) WHERE id = OLD.state;
	UPDATE states SET steps = steps + 1, told = told + (NEW.facts & 1) WHERE id = NEW.state;
	UPDATE states SET (first, key_id, own) = (SELECT seq, key_id, own FROM candidates WHERE state = states.id
			ORDER BY place LIMIT 1)
		WHERE id IN (OLD.state, NEW.state) AND steps > 0;
	DELETE FROM states WHERE id = OLD.state AND steps = 0 AND visits = 0 AND refusals = 0;
END;
--> statement-breakpoint
CREATE TRIGGER `states_recounted` AFTER UPDATE ON `states`
WHEN (OLD.steps > 0) <> (NEW.steps > 0) OR (OLD.told > 0) <> (NEW.told > 0) OR OLD.key_id <> NEW.key_id
	OR OLD.own <> NEW.own OR OLD.visits <> NEW.visits OR OLD.last_version <> NEW.last_version
	OR OLD.set_aside IS NOT NEW.set_aside BEGIN
	UPDATE state_counts SET states = states - 1 WHERE OLD.steps > 0 AND OLD.set_aside IS NULL
		AND policy = OLD.policy AND mode = OLD.mode AND key_id = OLD.key_id AND own = OLD.own
		AND known = (OLD.told > 0) AND visits = OLD.visits AND last_version = OLD.last_version;
	DELETE FROM state_counts WHERE states = 0
		AND policy = OLD.policy AND mode = OLD.mode AND key_id = OLD.key_id AND own = OLD.own
		AND known = (OLD.told > 0) AND visits = OLD.visits AND last_version = OLD.last_version;
	INSERT INTO state_counts SELECT NEW.policy, NEW.mode, NEW.key_id, NEW.own, NEW.told > 0, NEW.visits,
			NEW.last_version, 1 WHERE NEW.steps > 0 AND NEW.set_aside IS NULL
		ON CONFLICT DO UPDATE SET states = states + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `states_less` AFTER DELETE ON `states` WHEN OLD.steps > 0 AND OLD.set_aside IS NULL BEGIN
	UPDATE state_counts SET states = states - 1
		WHERE policy = OLD.policy AND mode = OLD.mode AND key_id = OLD.key_id AND own = OLD.own
		AND known = (OLD.told > 0) AND visits = OLD.visits AND last_version = OLD.last_version;
END;
