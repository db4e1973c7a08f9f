package main

import (
	"context"
	"fmt"

	"github.com/gofs/gofs/protocol/mgmt"
)

func volumeCommands() []command {
	return []command{
		{words: []string{"volume", "add-brick"}, pattern: "volume add-brick <VOLNAME> [<replica> <COUNT> [arbiter <COUNT>]] <NEW-BRICK> ... [force]", help: "add brick to volume <VOLNAME>", run: (*cli).volumeAddBrick},
		{words: []string{"volume", "create"}, pattern: "volume create <NEW-VOLNAME> [replica <COUNT> [arbiter <COUNT>]] [transport <tcp>] <NEW-BRICK>... [force]", help: "create a new volume of specified type with mentioned bricks", run: (*cli).volumeCreate},
		{words: []string{"volume", "delete"}, pattern: "volume delete <VOLNAME>", help: "delete volume specified by <VOLNAME>", run: (*cli).volumeDelete},
		{words: []string{"volume", "get"}, pattern: "volume get <VOLNAME|all> <key|all>", help: "Get the value of the all options or given option for volume <VOLNAME> or all option. gofs volume get all all is to get all global options", run: (*cli).volumeGet},
		{words: []string{"volume", "heal"}, pattern: healPattern, help: "self-heal commands on volume specified by <VOLNAME>", run: (*cli).volumeHeal},
		{words: []string{"volume", "help"}, pattern: "volume help", help: "display help for volume commands", local: true, run: (*cli).volumeHelp},
		{words: []string{"volume", "info"}, pattern: "volume info [all|<VOLNAME>]", help: "list information of all volumes", run: (*cli).volumeInfo},
		{words: []string{"volume", "list"}, pattern: "volume list", help: "list all volumes in cluster", run: (*cli).volumeList},
		{words: []string{"volume", "remove-brick"}, pattern: "volume remove-brick <VOLNAME> [replica <COUNT>] <BRICK> ... <start|stop|status|commit|force>", help: "remove brick from volume <VOLNAME>", run: (*cli).volumeRemoveBrick},
		{words: []string{"volume", "replace-brick"}, pattern: "volume replace-brick <VOLNAME> <SOURCE-BRICK> <NEW-BRICK> {commit force}", help: "replace-brick operations", run: (*cli).volumeReplaceBrick},
		{words: []string{"volume", "reset"}, pattern: "volume reset <VOLNAME> [option] [force]", help: "reset all the reconfigured options", run: (*cli).volumeReset},
		{words: []string{"volume", "reset-brick"}, pattern: "volume reset-brick <VOLNAME> <SOURCE-BRICK> {{start} | {<NEW-BRICK> commit}}", help: "reset-brick operations", run: (*cli).volumeResetBrick},
		{words: []string{"volume", "set"}, pattern: "volume set <VOLNAME> group <GROUP>", help: "set the options of a group, such as virt, for volume <VOLNAME>",
			more: []form{{"volume set <VOLNAME> <KEY> <VALUE>", "set options for volume <VOLNAME>"}}, run: (*cli).volumeSet},
		{words: []string{"volume", "start"}, pattern: "volume start <VOLNAME> [force]", help: "start volume specified by <VOLNAME>", run: (*cli).volumeStart},
		{words: []string{"volume", "status"}, pattern: "volume status [all | <VOLNAME> [nfs|shd|<BRICK>|quotad]] [detail|clients|mem|inode|fd|callpool|tasks|client-list]", help: "display status of all or specified volume(s)/brick", run: (*cli).volumeStatus},
		{words: []string{"volume", "stop"}, pattern: "volume stop <VOLNAME> [force]", help: "stop volume specified by <VOLNAME>", run: (*cli).volumeStop},
	}
}

// nameAndForce reads <VOLNAME> [force].
func nameAndForce(args []string) (*mgmt.VolumeReq, error) {
	switch {
	case len(args) == 1:
		return &mgmt.VolumeReq{Name: args[0]}, nil
	case len(args) == 2 && args[1] == "force":
		return &mgmt.VolumeReq{Name: args[0], Force: true}, nil
	}
	return nil, usage{}
}

// acted prints the result of a command that acts on one volume: verb is what it did,
// element its XML.
func (c *cli) acted(verb, element, name, more string, r *mgmt.VolumeReply, err error) error {
	if done, err := c.report(r, err, func() error {
		x := newXML(nil)
		x.open(element)
		x.open("volume")
		x.leaf("name", r.Name)
		x.leaf("id", r.ID)
		x.close("volume")
		x.close(element)
		return x.print(c.stdout)
	}); done {
		return err
	}
	if err != nil {
		return fmt.Errorf("volume %s: %s: failed: %w", verb, name, err)
	}
	fmt.Fprintf(c.stdout, "volume %s: %s: success%s\n", verb, name, more)
	fmt.Fprint(c.stderr, r.Warning)
	return nil
}

func (c *cli) volumeStart(ctx context.Context, args []string) error {
	q, err := nameAndForce(args)
	if err != nil {
		return err
	}
	r, err := c.conn.Start(ctx, q)
	return c.acted("start", "volStart", q.Name, "", r, err)
}

func (c *cli) volumeStop(ctx context.Context, args []string) error {
	q, err := nameAndForce(args)
	if err != nil {
		return err
	}
	if !c.ask("Stopping volume will make its data inaccessible. Do you want to continue?") {
		return nil
	}
	r, err := c.conn.Stop(ctx, q)
	return c.acted("stop", "volStop", q.Name, "", r, err)
}

func (c *cli) volumeDelete(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return usage{}
	}
	if !c.ask("Deleting volume will erase all information about the volume. Do you want to continue?") {
		return nil
	}
	r, err := c.conn.Delete(ctx, &mgmt.VolumeReq{Name: args[0]})
	return c.acted("delete", "volDelete", args[0], "", r, err)
}
