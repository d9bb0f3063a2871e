CREATE TABLE `decided` (
	`subject_kind` text NOT NULL,
	`subject_id` text NOT NULL,
	`judge` text,
	`good` integer,
	`score` real,
	`verdict_id` text,
	`place` integer,
	`gradable` integer NOT NULL,
	`unknown` integer NOT NULL,
	PRIMARY KEY(`subject_kind`, `subject_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `decided_unknown` ON `decided` (`unknown`) WHERE unknown > 0;--> statement-breakpoint
CREATE TABLE `judge_attempts` (
	`subject_kind` text NOT NULL,
	`subject_id` text NOT NULL,
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`step_id` text NOT NULL,
	`tries` integer NOT NULL,
	`reason` text NOT NULL,
	`due_at` integer NOT NULL,
	PRIMARY KEY(`subject_kind`, `subject_id`, `judge`, `judge_version`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `judge_attempts_due` ON `judge_attempts` (`subject_kind`,`due_at`);--> statement-breakpoint
CREATE TABLE `judge_marks` (
	`judge` text NOT NULL,
	`judge_version` text NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`judge`, `judge_version`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `late_steps` (
	`step_id` text PRIMARY KEY NOT NULL,
	`key_id` text NOT NULL,
	`due_at` integer
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `late_steps_due` ON `late_steps` (`due_at`) WHERE due_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `late_steps_key` ON `late_steps` (`key_id`) WHERE due_at IS NULL;--> statement-breakpoint
INSERT OR IGNORE INTO `decided` (subject_kind, subject_id, judge, good, score, verdict_id, place, gradable, unknown)
WITH
  heard AS (
    SELECT CASE subject_kind WHEN 'trajectory' THEN 'response' ELSE subject_kind END AS kind,
      CASE subject_kind WHEN 'trajectory' THEN (SELECT r.id FROM steps s JOIN responses r ON r.id = s.response_id
        WHERE s.trajectory_id = v.subject_id AND r.outcome = 'completed' ORDER BY s.idx LIMIT 1) ELSE subject_id END AS subject,
      id, judge, good, score, row_number() OVER (PARTITION BY subject_kind, subject_id, judge
        ORDER BY created_at DESC, id DESC) AS turn
    FROM verdicts v
    WHERE good IS NOT NULL OR NOT (rationale = 'cancelled' OR substr(rationale, 1, 17) = 'the judge failed:')),
  words AS (
    SELECT kind, subject, id, judge, good, score,
      CASE WHEN good IS NULL THEN NULL WHEN judge = 'well_formed' AND good = 0 THEN 0 ELSE CASE judge
        WHEN 'person' THEN 1 WHEN 'model' THEN 2 WHEN 'reference' THEN 3 WHEN 'follows_observation' THEN 4
        WHEN 'well_formed' THEN 5 END END AS place
    FROM heard WHERE turn = 1 AND subject IS NOT NULL),
  ranked AS (
    SELECT *, row_number() OVER (PARTITION BY kind, subject ORDER BY place IS NULL, place) AS turn,
      max(good IS NOT NULL AND judge IN ('person', 'model', 'reference')) OVER (PARTITION BY kind, subject) AS gradable,
      sum(judge NOT IN ('person', 'model', 'reference', 'follows_observation', 'well_formed'))
        OVER (PARTITION BY kind, subject) AS unknown
    FROM words)
SELECT kind, subject, CASE WHEN place IS NOT NULL THEN judge END, CASE WHEN place IS NOT NULL THEN good END,
  CASE WHEN place IS NOT NULL THEN score END, CASE WHEN place IS NOT NULL THEN id END, place, gradable, unknown
FROM ranked WHERE turn = 1;
--> statement-breakpoint
DROP TRIGGER `touched_by_verdict`;--> statement-breakpoint
DROP TRIGGER `touched_by_verdict_gone`;--> statement-breakpoint
CREATE TRIGGER `touched_by_decided` AFTER INSERT ON `decided` WHEN NEW.subject_kind IN ('step', 'response') BEGIN
	INSERT INTO touched SELECT c.policy, j.id FROM countings c JOIN trajectories j ON j.id = CASE NEW.subject_kind
			WHEN 'step' THEN (SELECT s.trajectory_id FROM steps s WHERE s.id = NEW.subject_id)
			ELSE (SELECT r.trajectory_id FROM responses r WHERE r.id = NEW.subject_id) END
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = j.id);
END;
--> statement-breakpoint
CREATE TRIGGER `touched_by_decided_anew` AFTER UPDATE ON `decided` WHEN NEW.subject_kind IN ('step', 'response')
	AND (OLD.good IS NOT NEW.good OR OLD.gradable IS NOT NEW.gradable) BEGIN
	INSERT INTO touched SELECT c.policy, j.id FROM countings c JOIN trajectories j ON j.id = CASE NEW.subject_kind
			WHEN 'step' THEN (SELECT s.trajectory_id FROM steps s WHERE s.id = NEW.subject_id)
			ELSE (SELECT r.trajectory_id FROM responses r WHERE r.id = NEW.subject_id) END
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = j.id);
END;
--> statement-breakpoint
INSERT OR IGNORE INTO `touched` SELECT c.policy, j.id FROM `countings` c JOIN `trajectories` j;
