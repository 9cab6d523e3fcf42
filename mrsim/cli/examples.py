"""Command lines that stand at the end of a command's help."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "run": (
        "run disc-t2-mese --field 7 --grade 4",
        'run disc-t2-mese --set "echo_spacing=10 ms" --without noise',
        "run disc-t2-mese --model t2-epg --budget",
        "run sag-dwi --recon grappa --recon maps=prescan",
        'run svs-press-np --physiology "field=2 Hz"',
    ),
    "reproduce": ("reproduce results/disc-t2-mese-3T-grade3-seed1/result.h5",),
    "basis": (
        'basis disc --field 3 --sequence press --te "35 ms" --out basis.png --out basis.h5',
        "basis Lac,Ala,Prop --sequence svs-press-np --pulses shaped",
    ),
    "cohort": ("cohort lumbar-surgical --subjects 10000 --out subjects.csv",),
    "phantom": (
        "phantom lumbar-spine --grade 1,2,3,4,5",
        'phantom lumbar-spine --orientation axial --at "0 0 22 mm" --property shear_stiffness',
        "phantom my-segmentation.toml",
        'phantom lumbar-spine --export spine.nii.gz --voxel "1 mm"',
    ),
    "tissue": (
        "tissue nucleus_pulposus --grade 4 --field 7",
        "tissue nucleus_pulposus --material kurtosis_falls",
    ),
    "list": ("list protocols", "list models"),
    "show": ("show disc-t2-mese --out diagram.html",),
    "shake": ('shake lumbar-disc --frequency "80 Hz" --drive "+z=0 8 0 um" --out waves.h5',),
    "check": ("check disc-t2-mese --field 7",),
    "plan": ("plan disc-t2-mese --grades 3,4", 'plan disc-t2-mese --ask "T2 in the annulus within 5 %"'),
    "compare": ("compare disc-t2-mese --field 1.5,3,7",),
    "snr": ("snr disc-t2-mese --grade 3", "snr sag-t2w-tse --field 1.5,3,7"),
    "lab": ("lab", "lab --export lab.html"),
    "crlb": ("crlb disc-t2-mese --grade 2",),
    "design": ("design sag-dwi --tissue nucleus_pulposus --model adc",),
    "sensitivity": (
        "sensitivity disc-t2-mese --tissue nucleus_pulposus",
        'sensitivity sag-vfa-t1 --tissue nucleus_pulposus --vary b1=0.8:1.2 --vary "speed=0:5 mm/s" --method morris',
    ),
    "optimise": (
        'optimise disc-se --free "te[6]=15:200 ms" --grades 1,2,3,4,5 --tissue nucleus_pulposus --want t2',
        'optimise disc-t2-mese --free echoes=6:12 --free "tr=1:3 s" --time "5 min" --front 8 --confirm 20',
    ),
    "simulate": ("simulate disc-t2-mese --out raw.h5",),
    "export": ("export disc-t2-mese --to seq --out scan.seq", "export result.h5 --to dicom --out series"),
    "recon": ("recon raw.h5 --out images.h5",),
    "fit": (
        "fit images.h5 --model t2-epg --out maps.h5",
        "fit images.h5 --model t2-mono --likelihood rician --mask disc.nii.gz",
    ),
    "plan-waves": ('plan-waves --stiffness "12.5 kPa" --region "30 mm"',),
    "track": ("track results/ax-dti-cerv-3T-seed1 --least-fa 0.2 --out fibres.tck",),
    "synthesize": ('synthesize results/sag-mdme-symri-3T-grade3-seed1 --contrast flair --te "90 ms"',),
    "study": ("study vx1 --fast", "study vx2 --workers 2"),
    "contest": (
        "contest results/disc-t2-mese-3T-grade3-seed1/result.h5 --model t2-mono --model t2-epg",
        'contest result.h5 --program "mine=python fit.py {images} {table} {maps}" --map t2=t2.nii.gz,ms',
    ),
    "verify": ("verify", "verify rabi sphere"),
    "bench": ("bench --quick",),
    "schema": ("schema protocol",),
    "completion": (
        "completion bash >> ~/.bashrc",
        "completion zsh >> ~/.zshrc",
        "completion fish > ~/.config/fish/completions/mrsim.fish",
    ),
    "info": ("info results/disc-t2-mese-3T-grade3-seed1/result.h5",),
}
"""Per command, without the program's name."""
